package engine

import (
	"bytes"
	"crypto/tls"
	"errors"
	"slices"
	"sync"
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

// serveHTTP2 serves a connection on which requests run side by side, each on a
// goroutine of its own.
func (c *conn) serveHTTP2() {
	c.state.Store(connActive)
	var tasks sync.WaitGroup
	o := c.chain.manager.http2
	o.IdleTimeout = c.chain.manager.idleTimeout
	c.readAt, c.writeAt = time.Time{}, time.Time{}
	_ = c.nc.SetDeadline(time.Time{})
	counted := &countedConn{Conn: c.nc, manager: c.count.manager}
	session := http2.NewServer(counted, o, func(st *http2.Stream) { tasks.Go(func() { c.serveStream(st) }) })
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
	tasks.Wait()
}

// serveStream takes one request of an HTTP/2 connection through its manager.
func (c *conn) serveStream(st *http2.Stream) {
	defer st.Close()
	defer func() {
		// One request's fault must not take the others down.
		if v := recover(); v != nil {
			c.engine.log.Error("request failed", "listener", c.lis.program.Load().name, "panic", v, "stack", stack())
		}
	}()
	lp, chain := c.current()
	if chain == nil {
		st.Reset(http2.RefusedStream)
		return
	}
	s := c.engine.streams.get()
	cl := &h2client{st: st}
	s.begin(c, time.Now())
	s.conn, s.client, s.http2 = nil, cl, true
	s.manager, s.prog = chain.manager, lp.prog
	s.arrive()
	cl.idle = s.manager.streamIdleTimeout
	s.takeHTTP2(st)
	st.OnAbort(cl.abort)
	if s.req.Expect100 && !s.manager.proxy100 && cl.sendContinue() != nil {
		s.lostClient()
		s.log()
		return
	}
	if s.prepare() {
		s.dispatch()
	}
	if s.replied {
		s.finish()
	}
	s.log()
	if !cl.complete {
		st.Reset(http2.InternalError)
	}
	c.engine.streams.put(s)
}

// takeHTTP2 makes the request of a stream the one that is served.
func (s *stream) takeHTTP2(st *http2.Stream) {
	h, r := st.Head(), &s.req
	r.Method, r.Target, r.Authority, r.HasHost, r.Minor = h.Method, h.Path, h.Authority, h.HasAuthority, 1
	r.Headers.CopyFrom(&h.Headers)
	http1.JoinRequest(&r.Headers, &r.Arena)
	switch {
	case st.Ended():
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
