package engine

import (
	"bytes"
	"crypto/tls"
	"errors"
	"slices"
	"time"

	"github.com/crossgate/crossgate/internal/http1"
	"github.com/crossgate/crossgate/internal/http2"
)

// protocol is HttpConnectionManager.codec_type: which protocols a manager speaks.
type protocol uint8

const (
	autoProtocol protocol = iota // as ALPN says, else as the first bytes say
	onlyHTTP1
	onlyHTTP2
)

const alpnHTTP2 = "h2"

// speaksHTTP2 decides the protocol of a new connection. Without ALPN it waits for
// the first bytes: a client that knows what it talks to begins with the preface
// (RFC 9113 section 3.3). ok is false if none came in time.
func (c *conn) speaksHTTP2() (yes, ok bool) {
	switch c.chain.manager.protocol {
	case onlyHTTP1:
		return false, true
	case onlyHTTP2:
		return true, true
	}
	if c.tls != nil && c.tls.NegotiatedProtocol != "" {
		return c.tls.NegotiatedProtocol == alpnHTTP2, true
	}
	if !c.await(time.Now()) {
		return false, false
	}
	preface := []byte(http2.Preface)
	for c.w < len(preface) && bytes.HasPrefix(preface, c.in[:c.w]) {
		n, err := c.nc.Read(c.in[c.w:])
		c.received(n, err)
		if c.w += n; err != nil {
			break
		}
	}
	return bytes.HasPrefix(c.in[:c.w], preface), true
}

// serveHTTP2 serves a connection on which requests run side by side: each as far as it
// need not wait on the goroutine that reads, and then on one of the engine's workers.
func (c *conn) serveHTTP2() {
	c.state.Store(connActive)
	o := c.chain.manager.http2
	o.IdleTimeout = c.chain.manager.idleTimeout
	o.Pool = &c.engine.http2
	c.readAt, c.writeAt = time.Time{}, time.Time{}
	_ = c.nc.SetDeadline(time.Time{})
	counted := &countedConn{Conn: c.nc, manager: c.count.manager}
	session := http2.NewServer(counted, o, c.beginStream)
	c.session.Store(session)
	if c.lis.done.Load() {
		session.GoAway()
	}
	initial := c.in[:c.w]
	err := session.Run(initial)
	c.count.remote.Store(counted.ended)
	c.count.active.Store(session.CutOff())
	if err != nil {
		var fault *http2.ConnectionError
		if errors.As(err, &fault) {
			c.count.manager.CxProtocol.Inc()
		}
		c.engine.log.Debug("HTTP/2 connection ended", "client", string(c.remote), "error", err)
	}
	c.tasks.Wait()
}

// beginStream takes one request of an HTTP/2 connection as far as it need not wait.
func (c *conn) beginStream(st *http2.Stream) {
	if !c.refresh() {
		st.Reset(http2.RefusedStream)
		st.Close()
		return
	}
	s := c.engine.streams.get()
	s.begin(c, st.Began())
	s.conn, s.client, s.http2 = nil, &s.h2, true
	s.manager, s.prog = c.chain.manager, c.lp.prog
	s.arrive()
	s.h2.begin(c, st, s.manager.streamIdleTimeout)
	s.hasty = true
	if s.serveHTTP2() {
		s.hasty = false
		c.tasks.Add(1)
		c.engine.workers.serve(s)
	}
}

// work serves a stream that may have to wait, on a worker.
func (s *stream) work() {
	tasks := &s.h2.conn.tasks // s may be another request's afterwards
	defer tasks.Done()
	s.serveHTTP2()
}

// stage is how far a request of HTTP/2 has come that waits for a worker.
type stage uint8

const (
	stageBegin   stage = iota // its head is here
	stageFilters              // its route is known
	stageProxy                // it goes to a service
	stageReply                // there is an answer
)

// serveHTTP2 takes the request through its manager, and reports whether it has stopped
// at what may have to wait: that is left to a worker.
func (s *stream) serveHTTP2() (stopped bool) {
	ended := false
	defer func() {
		// One request's fault must not take the others down.
		if v := recover(); v != nil {
			s.peer.engine.log.Error("request failed", "listener", s.h2.conn.lis.program.Load().name, "panic", v, "stack", stack())
			stopped = false
		}
		if !stopped {
			s.endHTTP2(ended)
		}
	}()
	switch s.stage {
	case stageBegin:
		if s.hasty {
			s.takeHTTP2(s.h2.st)
		}
		if s.req.Expect100 && !s.manager.proxy100 {
			if s.hasty {
				return true
			}
			if s.h2.sendContinue() != nil {
				s.lostClient()
				s.log()
				ended = true
				return false
			}
		}
		if s.prepare() {
			s.dispatch()
		}
	case stageFilters, stageProxy:
		s.resume()
	}
	if s.hasty && (s.stage != stageBegin || s.replied && !s.h2.reserve(s)) {
		if s.stage == stageBegin {
			s.stage = stageReply
		}
		return true
	}
	if s.replied {
		s.finish()
	}
	s.log()
	ended = true
	return false
}

// endHTTP2 ends the stream; ended says that it has come to its end in order. Only what
// nobody can reach any more is used again.
func (s *stream) endHTTP2(ended bool) {
	s.endFault()
	if st := s.h2.st; !s.h2.complete && ended {
		st.Reset(http2.InternalError)
	}
	if _, quiet := s.h2.st.Close(); quiet && ended {
		s.peer.engine.streams.put(s)
	}
}

// takeHTTP2 makes the request of a stream the one that is served.
func (s *stream) takeHTTP2(st *http2.Stream) {
	h, r := st.Head(), &s.req
	r.Method, r.Target, r.Authority, r.HasHost, r.Minor = h.Method, h.Path, h.Authority, h.HasAuthority, 1
	r.Headers.CopyFrom(&h.Headers)
	http1.JoinRequest(&r.Headers, &r.Arena)
	switch {
	case st.HeadOnly() || st.Ended():
		r.Framing, r.ContentLength = http1.NoBody, 0
	case h.ContentLength >= 0:
		r.Framing, r.ContentLength = http1.Length, h.ContentLength
	default:
		r.Framing, r.ContentLength = http1.Chunked, -1
	}
	if v, ok := r.Headers.Get("expect"); ok {
		r.Expect100 = equalFoldText(v, "100-continue")
	}
}

// withoutALPN is the configuration for a client whose protocols are none of ours:
// like Envoy we go on without one, where crypto/tls would end the handshake.
func withoutALPN(cfg *tls.Config, offered []string) *tls.Config {
	if len(cfg.NextProtos) == 0 || len(offered) == 0 ||
		slices.ContainsFunc(offered, func(p string) bool { return slices.Contains(cfg.NextProtos, p) }) {
		return cfg
	}
	cfg = cfg.Clone()
	cfg.NextProtos = nil
	return cfg
}
