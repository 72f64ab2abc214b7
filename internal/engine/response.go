package engine

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/crossgate/crossgate/internal/http1"
)

var (
	hConnection = []byte("connection")
	hDate       = []byte("date")
	hServer     = []byte("server")
	vClose      = []byte("close")
	vKeepAlive  = []byte("keep-alive")
	vZero       = []byte("0")
)

// finalize runs the filters over an answer's headers and does what the
// connection manager does last: hop-by-hop fields go, its own are added.
func (s *stream) finalize() {
	for i := len(s.manager.filters) - 1; i >= 0; i-- {
		s.manager.filters[i].response(s)
	}
	m, h := s.manager, &s.resp.Headers
	if !s.replied && !s.upgraded {
		h.Remove("connection")
		h.Remove("keep-alive")
		h.Remove("proxy-connection")
		h.Remove("upgrade")
	}
	h.Remove("transfer-encoding")
	if m.egressTracing {
		h.Remove("x-envoy-decorator-operation") // meant for the proxy
	}
	if m.via != nil {
		s.appendTo(h, hVia, ", ", m.via)
	}
	if !h.Has("date") {
		h.Add(hDate, s.peer.engine.date(s.end))
	}
	switch {
	case m.serverHeader == serverOverwrite,
		m.serverHeader == serverAppendIfAbsent && !h.Has("server"):
		h.Set(hServer, m.serverName)
	}
	if m.alwaysRequestID && len(s.requestID) > 0 {
		h.Set(hRequestID, s.requestID)
	}
	switch {
	case s.upgraded:
	case s.closing:
		h.Add(hConnection, vClose)
	case s.req.Minor == 0:
		h.Add(hConnection, vKeepAlive)
	}
}

// finish writes a local reply.
func (s *stream) finish() {
	s.end = time.Now()
	if s.status == 0 {
		return // there is nobody to answer
	}
	s.finalize()
	h := &s.resp.Headers
	head, framing := string(s.req.Method) == "HEAD", http1.NoBody
	if len(s.body) == 0 && !h.Has("content-length") && s.status != 204 && s.status != 304 {
		if head && s.req.Minor > 0 {
			// Envoy's codec takes an answer to HEAD of unknown length for a
			// chunked one.
			framing = http1.Chunked
		} else if !head {
			h.Add(hContentLength, vZero)
		}
	}
	s.out = http1.AppendResponseHead(s.out[:0], s.status, h, framing, false)
	if !head {
		s.out = append(s.out, s.body...)
		s.sent = int64(len(s.body))
	}
	if err := s.conn.write(s.out, nil); err != nil {
		s.lostClient()
	}
}

// lostClient notes that the answer could not be written.
func (s *stream) lostClient() {
	s.closing = true
	s.flags |= flagDownstreamClosed
	s.details = "downstream_remote_disconnect"
}

// appendRequestHead writes the request's head as the service gets it.
func (s *stream) appendRequestHead(dst []byte) []byte {
	h := &s.req.Headers
	if s.req.Framing == http1.NoBody && http1.NeedsLength(s.req.Method) && !s.upgraded && !h.Has("content-length") {
		h.Add(hContentLength, vZero)
	}
	return http1.AppendRequestHead(dst, s.req.Method, s.path, s.authority, h, s.req.Framing)
}

// relay passes the service's answer on: its head through the filters, its body as
// it comes.
func (s *stream) relay() {
	s.end = s.upstreamFirst
	if s.upgraded {
		s.tunnel()
		return
	}
	s.finalize()
	framing := s.downstreamFraming()
	s.out = http1.AppendResponseHead(s.out[:0], s.status, &s.resp.Headers, framing, false)
	if framing == http1.UntilClose {
		s.closing = true
	}
	var err error
	switch s.resp.Framing {
	case http1.NoBody:
		err = s.conn.write(s.out, nil)
		if err != nil {
			err = clientError{err}
		}
	case http1.Length:
		err = s.relayLength()
	default:
		err = s.relayChunks(framing)
	}
	s.end = time.Now()
	if err == nil {
		s.up.release(s.end)
		if !s.conn.bodyEnded(s) {
			s.closing = true
		}
		return
	}
	s.broken(err)
}

// bodyEnded reports whether the request's body has been taken whole. It may only
// be asked once the pump has stopped.
func (c *conn) bodyEnded(s *stream) bool {
	return !s.up.pump.running && c.body.ended()
}

// broken ends an answer that could not be passed on whole: the client must see
// that it is not.
func (s *stream) broken(err error) {
	s.closing = true
	var gone clientError
	switch {
	case errors.As(err, &gone):
		s.lostClient()
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.flags |= flagUpstreamTimeout
		s.details = "response_timeout"
		if !s.up.expired() {
			s.flags ^= flagUpstreamTimeout | flagStreamIdle
			s.details = "stream_idle_timeout"
		}
	default:
		s.flags |= flagUpstreamProtocolError
		s.details = "upstream_reset_after_response_started{protocol_error}"
	}
	s.up.drop()
}

// clientError is an error of writing to the client.
type clientError struct{ error }

func (e clientError) Unwrap() error { return e.error }

// downstreamFraming decides how the client finds the body's end, and writes the
// length where Envoy's codec would.
func (s *stream) downstreamFraming() http1.Framing {
	h := &s.resp.Headers
	head := string(s.req.Method) == "HEAD"
	if s.resp.Framing == http1.Length || h.Has("content-length") || s.status < 200 || s.status == 204 || s.status == 304 {
		return http1.NoBody
	}
	if s.resp.Framing == http1.NoBody && !head {
		h.Add(hContentLength, vZero)
		return http1.NoBody
	}
	if s.req.Minor == 0 {
		if !s.closing {
			h.Set(hConnection, vClose)
		}
		return http1.UntilClose
	}
	return http1.Chunked
}

// relayLength passes a body of known length on, without touching it.
func (s *stream) relayLength() error {
	x := &s.up
	left := s.resp.ContentLength
	for first := true; first || left > 0; first = false {
		data := x.buf[x.r:x.w]
		data = data[:min(int64(len(data)), left)]
		x.r += len(data)
		left -= int64(len(data))
		s.sent += int64(len(data))
		if err := s.writeFirst(data); err != nil {
			return err
		}
		if left == 0 {
			return nil
		}
		if err := x.readBody(left); err != nil {
			return err
		}
	}
	return nil
}

// writeFirst writes the head with the first part of the body; later parts alone.
func (s *stream) writeFirst(data []byte) error {
	var err error
	switch {
	case len(s.out) == 0:
		err = s.conn.write(data, nil)
	case len(data) <= copyLimit:
		s.out = append(s.out, data...)
		err = s.conn.write(s.out, nil)
	default:
		err = s.conn.write(s.out, data)
	}
	s.out = s.out[:0]
	if err != nil {
		return clientError{err}
	}
	return nil
}

// copyLimit is the size up to which copying is cheaper than a vectored write.
const copyLimit = 8 << 10

// readBody reads the next part of the answer's body into the window. want is how
// much is still to come, if it is known: for much a larger window is taken.
func (x *exchange) readBody(want int64) error {
	if x.r == x.w {
		x.r, x.w = 0, 0
	} else if x.w == len(x.buf) {
		x.w = copy(x.buf, x.buf[x.r:x.w])
		x.r = 0
	}
	if want > int64(len(x.buf)) && len(x.buf) < largeBuffer && x.w == 0 {
		x.s.peer.engine.buffers.put(x.buf)
		x.buf = x.s.peer.engine.buffers.getLarge()
	}
	if x.idle() > 0 && x.r == 0 {
		at, length, _ := x.deadline(time.Now())
		x.conn.SetTimeout(at, deadlineSlack(length))
	}
	n, err := x.conn.Read(x.buf[x.w:])
	x.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// relayChunks passes a body on whose end the service marks by chunks or by closing
// its connection.
func (s *stream) relayChunks(framing http1.Framing) error {
	x := &s.up
	for {
		head := len(s.out)
		done, err := s.takeChunks(framing)
		if err != nil {
			// What came before the fault in the same read is not passed on,
			// but the head is.
			if werr := s.conn.write(s.out[:head], nil); werr != nil {
				return clientError{werr}
			}
			return err
		}
		if done && framing == http1.Chunked {
			s.out = http1.AppendLastChunk(s.out, nil)
		}
		if len(s.out) > 0 {
			if err := s.conn.write(s.out, nil); err != nil {
				return clientError{err}
			}
			s.out = s.out[:0]
		}
		if done {
			return nil
		}
		err = x.readBody(0)
		if s.resp.Framing == http1.UntilClose && errors.Is(err, io.EOF) {
			if framing == http1.Chunked {
				s.out = http1.AppendLastChunk(s.out, nil)
				if err := s.conn.write(s.out, nil); err != nil {
					return clientError{err}
				}
			}
			s.resp.Close = true
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// takeChunks appends what is in the window to the output, framed for the client.
func (s *stream) takeChunks(framing http1.Framing) (done bool, err error) {
	x := &s.up
	for x.r < x.w && !done {
		data, n := x.buf[x.r:x.w], x.w-x.r
		if s.resp.Framing == http1.Chunked {
			var perr *http1.Error
			data, n, done, perr = x.chunk.Next(x.buf[x.r:x.w])
			if perr != nil {
				return false, perr
			}
			if n == 0 && !done {
				return false, nil
			}
		}
		x.r += n
		if len(data) == 0 {
			continue
		}
		s.sent += int64(len(data))
		if framing == http1.Chunked {
			s.out = appendBody(s.out, data, framing)
		} else {
			s.out = append(s.out, data...)
		}
	}
	return done, nil
}

// statusTexts are the bodies of answers to what is no request.
var textRequestTimeout = []byte("request timeout")

// statusText is the body with which the codec refuses a request.
func (e *Engine) statusText(status int) []byte {
	return []byte(http1.ReasonPhrase(status))
}
