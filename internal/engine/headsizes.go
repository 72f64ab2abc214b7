package engine

import (
	"bytes"
	"time"

	"github.com/crossgate/crossgate/internal/header"
	"github.com/crossgate/crossgate/internal/http2"
)

// fieldBytes is the length of the field lines of a head of HTTP/1.1: what Envoy's
// codec counts as the head's bytes.
func fieldBytes(head []byte) int64 {
	return int64(len(head) - bytes.IndexByte(head, '\n') - 1 - len("\r\n"))
}

// attempted are the bytes of a request's attempts.
type attempted struct {
	// wireReceived and wireSent are those of the attempts that have ended.
	wireReceived, wireSent int64
	// sizes are those of heads, with HTTP/1.1 also of the one at hand.
	sizes http2.HeadSizes
}

// forget drops the connection of what was no attempt.
func (x *exchange) forget(before attempted) {
	x.drop()
	x.attempted = before
}

// sentHead counts the head of a request for a service that speaks HTTP/1.1.
func (x *exchange) sentHead(head []byte) {
	n := fieldBytes(head)
	x.sizes.Sent += n
	x.sizes.PlainSent += n
}

// headCame counts the head of such a service's answer. With each one Envoy's codec adds
// all bytes so far to those of the decompressed heads, also of earlier attempts.
func (x *exchange) headCame() {
	x.sizes.Received += int64(x.s.resp.FieldBytes)
	x.sizes.PlainReceived += x.sizes.Received
}

// heads are the sizes of heads in all attempts, and of the trailers of the last one.
func (x *exchange) heads() http2.HeadSizes {
	sum := x.sizes
	if x.s != nil && x.s.upstreamBirth != nil && !x.s.upstreamHTTP2 {
		sum.Received += trailerBytes(&x.s.trailers, len(":\r\n"))
		if x.wholeRequest() {
			n := trailerBytes(x.requestTrailers(), len(": \r\n"))
			sum.Sent += n
			sum.PlainSent += n
		}
	}
	if x.h2 != nil {
		n := x.h2.Heads()
		sum.Received += n.Received
		sum.Sent += n.Sent
		sum.PlainReceived += n.PlainReceived
		sum.PlainSent += n.PlainSent
	}
	return sum
}

// waited notes how long a connection was waited for.
func (x *exchange) waited(since time.Time) { x.wait = time.Since(since) }

// bodyCame notes when a body began that did not come with its head.
func (x *exchange) bodyCame(n int) {
	if n > 0 && x.bodyFirst.IsZero() {
		x.bodyFirst = time.Now()
	}
}

// trailerBytes is the length of trailers in HTTP/1.1, with what surrounds each name and
// value.
func trailerBytes(t *header.List, around int) int64 {
	if t == nil {
		return 0
	}
	return listBytes(t) + int64(around*len(t.Fields))
}

// listBytes is the size of fields in Envoy's map of headers.
func listBytes(h *header.List) (n int64) {
	for i := range h.Fields {
		n += int64(len(h.Fields[i].Name) + len(h.Fields[i].Value))
	}
	return n
}

// requestBytes is the size of the request's head as the filters have left it.
func (s *stream) requestBytes() int64 {
	n := listBytes(&s.req.Headers)
	for _, name := range [...]string{":method", ":scheme", ":path", ":authority"} {
		if v, ok := s.RequestHeader(name); ok {
			n += int64(len(name) + len(v))
		}
	}
	return n
}

// responseBytes is the size of the answer's head; of none, 0.
func (s *stream) responseBytes() int64 {
	if s.status == 0 {
		return 0
	}
	n := int64(len(":status200")) + listBytes(&s.resp.Headers)
	if s.noLength {
		n -= int64(len("content-length0"))
	}
	return n
}
