package engine

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/crossgate/crossgate/internal/header"
	"github.com/crossgate/crossgate/internal/http1"
	"github.com/crossgate/crossgate/internal/http2"
	"github.com/crossgate/crossgate/internal/upstream"
)

// maxSessions bounds how many connections are tried for one attempt, of which
// each turned out to take no more streams.
const maxSessions = 3

// attemptHTTP2 is attempt for a service that speaks HTTP/2.
func (s *stream) attemptHTTP2(h *upstream.Host) failure {
	c, x := s.target.cluster, &s.up
	if s.upgraded {
		return failProtocol // a tunnel needs extended CONNECT, which is not spoken
	}
	for range maxSessions {
		session, err := x.session(h, c.ConnectTimeout)
		if err != nil {
			return s.connectFailure(err)
		}
		s.upstreamTLS, s.upstreamBirth = secured(session.Conn()), upstream.BirthOf(session)
		s.upstreamAddress = h.AddressText()
		f, taken := x.sendHTTP2(session, h)
		if !taken {
			continue
		}
		if f == noFailure {
			f = x.readHeadHTTP2()
		}
		if f == failProtocol {
			s.prog.notHTTP2(s.peer.engine.log, c.Name)
		}
		return f
	}
	return failOverflow
}

// session takes an HTTP/2 connection to the host.
func (x *exchange) session(h *upstream.Host, timeout time.Duration) (*http2.Session, error) {
	ctx, done := x.waitContext()
	defer done()
	defer x.waited(time.Now())
	return h.Session(ctx, timeout, x.serviceName())
}

// sendHTTP2 opens a stream with the request's head; the body follows by the pump.
// taken is false if the session takes no stream any more; one that the service did not
// understand is taken, for another one would be no better.
func (x *exchange) sendHTTP2(session *http2.Session, h *upstream.Host) (f failure, taken bool) {
	s, body := x.s, x.s.client
	head := http2.Head{Method: s.req.Method, Scheme: s.scheme, Authority: s.authority, Path: s.path, Headers: s.req.Headers}
	ended := body.ended()
	var trailers *header.List
	if ended {
		trailers = body.trailers()
	}
	st, err := session.Open(&head, ended && len(x.replay) == 0 && trailers == nil)
	if err != nil {
		var fault *http2.ConnectionError
		return x.failureHTTP2(err), errors.As(err, &fault)
	}
	h.BeginStream()
	x.h2, x.h2host = st, h
	x.local = session.Conn().LocalAddr()
	if x.hold(nil); x.gone {
		return failClient, true
	}
	if ended {
		x.uploaded.CompareAndSwap(0, 1)
		body.awaits()
	}
	x.limit(s.up.began)
	if len(x.replay) > 0 {
		if err := st.Write(x.replay, ended && trailers == nil); err != nil {
			return x.failureHTTP2(err), true
		}
	}
	if trailers != nil {
		if err := st.WriteTrailers(trailers); err != nil {
			return x.failureHTTP2(err), true
		}
	}
	if !ended {
		x.startPump()
	}
	return noFailure, true
}

// readHeadHTTP2 waits for the head of the answer.
func (x *exchange) readHeadHTTP2() failure {
	x.r, x.w = 0, 0
	if err := x.h2.ReadHead(); err != nil {
		return x.failureHTTP2(err)
	}
	s, r := x.s, &x.s.resp
	h := x.h2.Head()
	r.Status = h.Status
	r.Headers.CopyFrom(&h.Headers)
	http1.JoinResponse(&r.Headers, &s.arena)
	r.Framing, r.ContentLength = http1.UntilClose, -1
	if x.h2.HeadOnly() {
		r.Framing, r.ContentLength = http1.NoBody, 0
	}
	s.upstreamFirst = time.Now()
	return noFailure
}

// readBodyHTTP2 reads the next part of the answer's body into the window.
func (x *exchange) readBodyHTTP2() error {
	if x.idle() > 0 || x.limitedToHead() {
		at, _ := x.deadline(time.Now(), false)
		x.h2.SetReadDeadline(at)
		x.afterLimit(h2uplink{x.h2})
	}
	if len(x.h2run) == 0 {
		run, err := x.h2.Next(true)
		if err != nil {
			return err
		}
		x.h2run = run
	}
	n := copy(x.buf[x.w:], x.h2run)
	x.h2run = x.h2run[n:]
	x.w += n
	x.bodyCame(n)
	return nil
}

// failureHTTP2 is what an error of a stream means for the request.
func (x *exchange) failureHTTP2(err error) failure {
	var reset *http2.ResetError
	var fault *http2.ConnectionError
	switch {
	case x.pump.failed.Load() || x.s.client.left():
		return failClient
	case errors.Is(err, os.ErrDeadlineExceeded):
		return x.late()
	case errors.As(err, &fault):
		return failProtocol
	case errors.Is(err, http2.ErrGoAway):
		return failRefused
	case errors.As(err, &reset):
		switch {
		case !reset.Remote:
			return failProtocol
		case reset.Code == http2.RefusedStream:
			return failRefused
		}
		return failReset
	case errors.Is(err, io.EOF):
		return failProtocol
	}
	return failClosed
}

// dropHTTP2 ends the use of the stream.
func (x *exchange) dropHTTP2() {
	x.wireReceived, x.wireSent = x.wire()
	x.sizes = x.heads()
	st, h := x.h2, x.h2host
	x.h2, x.h2host, x.h2run = nil, nil, nil
	x.hold(nil)
	if reset, _ := st.Close(); reset {
		x.s.target.cluster.Stats.RqSentReset.Inc()
	}
	h.EndStream()
}
