package engine

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/crossgate/crossgate/internal/http1"
	"github.com/crossgate/crossgate/internal/http2"
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
	if !h.Has("date") {
		h.Add(hDate, s.peer.engine.date(s.end))
	}
	switch {
	case m.serverHeader == serverOverwrite,
		m.serverHeader == serverAppendIfAbsent && !h.Has("server"):
		h.Set(hServer, m.serverName)
	}
	if m.alwaysRequestID {
		if id, ok := s.req.Headers.Get("x-request-id"); ok {
			h.Set(hRequestID, id)
		}
	}
	if m.via != nil {
		s.appendTo(h, hVia, ", ", m.via)
	}
	switch {
	case s.upgraded && !s.replied || s.http2:
	case s.closing:
		h.Add(hConnection, vClose)
	case s.req.Minor == 0:
		h.Add(hConnection, vKeepAlive)
	}
}

// finish sends a local reply.
func (s *stream) finish() {
	s.end = time.Now()
	if s.status == 0 {
		return // there is nobody to answer
	}
	s.finalize()
	s.endFault()
	if err := s.client.reply(s); err != nil {
		s.lostClient()
	}
}

// lostClient notes that the answer could not be written.
func (s *stream) lostClient() {
	s.closing = true
	s.countLost()
	s.details = s.howLost()
}

// appendRequestHead writes the request's head as the service gets it.
func (s *stream) appendRequestHead(dst []byte) []byte {
	framing := s.req.Framing
	if framing == http1.NoBody && http1.NeedsLength(s.req.Method) && !s.upgraded {
		framing = http1.Length // of no bytes: it is said where the head ends
	}
	return http1.AppendRequestHead(dst, s.req.Method, s.path, s.authority, &s.req.Headers, framing)
}

// relay passes the service's answer on: its head through the filters, its body as
// it comes.
func (s *stream) relay() {
	s.end = s.upstreamFirst
	if s.upgraded {
		s.tunnel()
		return
	}
	if p := &s.up.pump; p.running && !p.last.Load() {
		s.closing = true // the service did not wait for the whole request
	}
	s.finalize()
	err := s.client.relay(s)
	s.end = time.Now()
	if err == nil {
		s.countAnswerTime()
		s.keepTrailers()
		// The body may only be asked about once the pump has stopped.
		s.up.release(s.end)
		if s.up.pump.running || !s.client.ended() {
			s.closing = true
		}
		return
	}
	s.broken(err)
}

// keepTrailers copies the trailers of the answer, whose memory is the connection's.
func (s *stream) keepTrailers() {
	t := s.up.trailers()
	if t == nil {
		return
	}
	for i := range t.Fields {
		s.trailers.Add(s.arena.Copy(t.Fields[i].Name), s.arena.Copy(t.Fields[i].Value))
	}
}

// broken ends an answer that could not be passed on whole: the client must see
// that it is not.
func (s *stream) broken(err error) {
	s.closing = true
	var gone clientError
	if !errors.As(err, &gone) && !s.client.left() {
		s.countReset()
	}
	switch {
	case errors.As(err, &gone), s.client.left():
		s.lostClient()
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.flags |= flagUpstreamTimeout
		s.details = "response_timeout"
		s.countLate()
		if !s.up.expired() {
			s.flags ^= flagUpstreamTimeout | flagStreamIdle
			s.details = "stream_idle_timeout"
		}
	case remoteReset(err):
		s.target.cluster.Stats.RqReceivedReset.Inc()
		s.flags |= flagUpstreamReset
		s.details = "upstream_reset_after_response_started{remote_reset}"
	default:
		s.target.cluster.Stats.CxProtocol.Inc()
		s.flags |= flagUpstreamProtocolError
		s.details = "upstream_reset_after_response_started{protocol_error}"
	}
	s.up.drop()
}

// remoteReset reports whether the service has reset its stream.
func remoteReset(err error) bool {
	var reset *http2.ResetError
	return errors.As(err, &reset) && reset.Remote
}

// clientError is an error of writing to the client.
type clientError struct{ error }

func (e clientError) Unwrap() error { return e.error }

// moveHead copies the fields of the answer's head out of the buffer, before the body
// takes their place there: logs read them when the answer has ended.
func (x *exchange) moveHead() {
	if x.moved || x.h2 != nil {
		return
	}
	x.moved = true
	fields := x.s.resp.Headers.Fields
	for i := range fields {
		fields[i].Name, fields[i].Value = x.s.arena.Copy(fields[i].Name), x.s.arena.Copy(fields[i].Value)
	}
}

// readBody reads the next part of the answer's body into the window. want is how
// much is still to come, if it is known: for much a larger window is taken.
func (x *exchange) readBody(want int64) error {
	x.moveHead()
	if x.r == x.w {
		x.r, x.w = 0, 0
	} else if x.w == len(x.buf) {
		x.w = copy(x.buf, x.buf[x.r:x.w])
		x.r = 0
	}
	if x.h2 != nil {
		return x.readBodyHTTP2()
	}
	if want > int64(len(x.buf)) && len(x.buf) < largeBuffer && x.w == 0 {
		x.s.peer.engine.buffers.put(x.buf)
		x.buf = x.s.peer.engine.buffers.getLarge()
	}
	if x.idle() > 0 && x.r == 0 || x.limitedToHead() {
		at, length := x.deadline(time.Now(), false)
		x.conn.SetTimeout(at, deadlineSlack(length))
		x.afterLimit(h1uplink{x.conn})
	}
	n, err := x.conn.Read(x.buf[x.w:])
	x.w += n
	if n > 0 {
		x.bodyCame(n)
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// statusTexts are the bodies of answers to what is no request.
var textRequestTimeout = []byte("request timeout")

// statusText is the body with which the codec refuses a request.
func (e *Engine) statusText(status int) []byte {
	return []byte(http1.ReasonPhrase(status))
}
