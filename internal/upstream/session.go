package upstream

import (
	"context"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/crossgate/crossgate/internal/http2"
)

// sessions are the HTTP/2 connections to one host. As long as one takes another
// stream there is no second one.
type sessions struct {
	mu      sync.Mutex
	open    []namedSession
	connect map[string]*connecting // under way, by name
	retired bool
}

// namedSession is a session with what the requests on it call the service.
type namedSession struct {
	*http2.Session
	name string
}

// connecting is the making of a connection. All requests that find none wait for
// it and share its end, so that a host that does not answer costs each of them one
// connect timeout and not a queue of them.
type connecting struct {
	done chan struct{}
	err  error // set before done is closed
}

// retiredIdle is how long a connection to a host that no new program knows waits
// for requests of the old one.
const retiredIdle = time.Second

// usable returns a session for the name that takes another stream, or nil.
func (p *sessions) usable(name []byte) *http2.Session {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.open {
		if sameName(s.name, name) && s.Usable() {
			return s.Session
		}
	}
	return nil
}

// dismiss lets a session for another name end, so that one for this name can be.
func (p *sessions) dismiss(name []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.open {
		if !sameName(s.name, name) {
			s.GoAway()
			return
		}
	}
}

// join returns the connection that is being made; first says that the caller has
// to make it.
func (p *sessions) join(name []byte) (c *connecting, first bool) {
	key := strings.ToLower(string(name))
	p.mu.Lock()
	defer p.mu.Unlock()
	if c = p.connect[key]; c != nil {
		return c, false
	}
	if p.connect == nil {
		p.connect = map[string]*connecting{}
	}
	c = &connecting{done: make(chan struct{})}
	p.connect[key] = c
	return c, true
}

// settle ends the wait of those who joined.
func (p *sessions) settle(name []byte, c *connecting, err error) {
	p.mu.Lock()
	delete(p.connect, strings.ToLower(string(name)))
	p.mu.Unlock()
	c.err = err
	close(c.done)
}

// Session returns an HTTP/2 connection to the host that takes another stream. It
// fails as Acquire does. A request that waits for a connection is pending, as in
// Envoy, also while the connection is being made.
func (h *Host) Session(ctx context.Context, connectTimeout time.Duration, name []byte) (*http2.Session, error) {
	if s := h.sessions.usable(name); s != nil {
		return s, nil
	}
	h.waits()
	s, err := h.session(ctx, connectTimeout, name)
	h.waited(ctx, err)
	return s, err
}

func (h *Host) session(ctx context.Context, connectTimeout time.Duration, name []byte) (*http2.Session, error) {
	if !h.limits.addPending() {
		return nil, ErrOverflow
	}
	defer h.limits.removePending()
	for {
		if s := h.sessions.usable(name); s != nil {
			return s, nil
		}
		c, first := h.sessions.join(name)
		if first {
			s, err := h.newSession(ctx, connectTimeout, name)
			shared := err
			if ctx.Err() != nil {
				shared = nil // this request's time was up, not that of the others
			}
			h.sessions.settle(name, c, shared)
			return s, err
		}
		select {
		case <-c.done:
			if c.err != nil {
				return nil, c.err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// newSession connects, once the cluster may have another connection; a session
// that takes streams again meanwhile does as well.
func (h *Host) newSession(ctx context.Context, timeout time.Duration, name []byte) (*http2.Session, error) {
	for {
		if s := h.sessions.usable(name); s != nil {
			return s, nil
		}
		if h.limits.addConnection() {
			break
		}
		if h.limits.evict() {
			continue
		}
		h.sessions.dismiss(name)
		if err := h.limits.await(ctx, func() bool { return h.sessions.usable(name) != nil }); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var err error
	counted := &sessionConn{count: h.opens(true)}
	counted.Conn, _, err = h.open(ctx, string(name), true, &counted.birth)
	counted.count.connected(err)
	if err != nil {
		h.limits.removeConnection()
		return nil, err
	}
	return h.start(counted, string(name)), nil
}

func (h *Host) start(nc *sessionConn, name string) *http2.Session {
	p, o := &h.sessions, h.http2
	p.mu.Lock()
	if p.retired {
		o.IdleTimeout = retiredIdle
	}
	s := http2.NewClient(nc, o)
	p.open = append(p.open, namedSession{s, name})
	p.mu.Unlock()
	go h.run(s, nc)
	return s
}

// run reads from a session until its end.
func (h *Host) run(s *http2.Session, nc *sessionConn) {
	_ = s.Run(nil) // the streams that it takes with it tell why
	p := &h.sessions
	p.mu.Lock()
	for i, other := range p.open {
		if other.Session == s {
			p.open = append(p.open[:i], p.open[i+1:]...)
			break
		}
	}
	p.mu.Unlock()
	nc.count.close(s.CutOff())
	h.limits.removeConnection()
}

// retire lets the sessions end with what is under way on them.
func (p *sessions) retire() {
	p.mu.Lock()
	p.retired = true
	p.mu.Unlock()
	p.goAway()
}

// goAway lets the sessions end with what is under way on them.
func (p *sessions) goAway() {
	p.mu.Lock()
	open := append([]namedSession(nil), p.open...)
	p.mu.Unlock()
	for _, s := range open {
		s.GoAway()
	}
}

// BeginStream counts a request on a session in, by which hosts are compared;
// EndStream counts it out.
func (h *Host) BeginStream() { h.begin() }

// EndStream counts a request out.
func (h *Host) EndStream() {
	h.end()
	h.limits.wake()
}

// sessionConn is the connection of a session, which counts its bytes.
type sessionConn struct {
	net.Conn
	count counting
	birth Birth
}

// NetConn is the connection as the cluster's socket made it.
func (c *sessionConn) NetConn() net.Conn { return c.Conn }

// Read implements net.Conn.
func (c *sessionConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.count.read(n, err)
	return n, err
}

// Write implements net.Conn.
func (c *sessionConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.count.cluster.CxSent.Add(uint64(n))
	return n, err
}
