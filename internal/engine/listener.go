package engine

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// listener is a bound socket with its connections. Its program changes; it stays.
type listener struct {
	engine  *Engine
	nl      net.Listener
	held    time.Duration // before a connection is accepted that says nothing
	program atomic.Pointer[listenerProgram]

	mu    sync.Mutex
	conns map[*conn]struct{}
	empty chan struct{} // closed when stopped and no connection is left

	sweeper  *time.Timer // looks for clients that wait; nil: not yet
	sweeping bool        // it will fire

	done  atomic.Bool
	tasks sync.WaitGroup
}

func newListener(e *Engine, nl net.Listener, lp *listenerProgram) *listener {
	l := &listener{engine: e, nl: nl, held: heldFor(nl), conns: map[*conn]struct{}{}, empty: make(chan struct{})}
	l.program.Store(lp)
	l.tasks.Go(l.accept)
	return l
}

// acceptPause bounds the rate of a failing accept (no descriptors left), acceptSay
// how often it is said.
const (
	acceptPause = 20 * time.Millisecond
	acceptSay   = 10 * time.Second
)

func (l *listener) accept() {
	var said time.Time
	for {
		nc, err := l.nl.Accept()
		if err != nil {
			if errClosed(err) {
				return
			}
			if now := time.Now(); said.IsZero() || now.Sub(said) >= acceptSay {
				said = now
				l.engine.log.Warn("accept failed", "listener", l.program.Load().name, "error", err)
			}
			time.Sleep(acceptPause)
			continue
		}
		l.tasks.Add(1)
		go l.begin(nc)
	}
}

// begin makes a connection of a socket: it finds the filter chain, with a TLS
// handshake where the chain wants one, and serves.
func (l *listener) begin(nc net.Conn) {
	defer l.tasks.Done()
	c := &conn{peer: peer{engine: l.engine, id: l.engine.nextID.Add(1)}, lis: l, sock: nc, nc: nc}
	c.addresses()
	if !l.add(c) {
		_ = nc.Close()
		return
	}
	defer c.recovered()
	c.lp = l.program.Load()
	if !c.choose() {
		c.close()
		return
	}
	c.wait.init(c, nc)
	if c.tls == nil {
		c.serve()
		return
	}
	// The handshake has made the stack large, and it would stay so.
	l.tasks.Add(1)
	go c.serveSecured()
}

func (c *conn) serveSecured() {
	defer c.lis.tasks.Done()
	defer c.recovered()
	c.serve()
}

// recovered is deferred: one connection's fault must not take the others down.
func (c *conn) recovered() {
	if v := recover(); v != nil {
		c.engine.log.Error("connection failed", "listener", c.lis.program.Load().name, "panic", v, "stack", stack())
		c.close()
	}
}

// choose finds the filter chain of a new connection.
func (c *conn) choose() bool {
	if !c.lp.usesTLS() {
		if c.chain = c.lp.find(""); c.chain == nil {
			c.lp.stats.NoChain.Inc()
			return false
		}
		c.count.open(c.lp, c.chain)
		return true
	}
	lp := c.lp
	timeout := lp.chains[0].tlsTimeout
	c.tlsWire = &clientWire{Conn: c.sock}
	tc := tls.Server(c.tlsWire, &tls.Config{
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			chain := lp.find(hello.ServerName)
			if chain == nil || chain.tls == nil {
				lp.stats.NoChain.Inc()
				return nil, errNoChain
			}
			c.chain = chain
			c.count.open(lp, chain)
			c.own = shown(chain.tls, hello)
			return withoutALPN(chain.tls, hello.SupportedProtos), nil
		},
	})
	ctx := context.Background()
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	lp.stats.CxPending.Add(1)
	err := tc.HandshakeContext(ctx)
	lp.stats.CxPending.Add(-1)
	if err != nil {
		c.countHandshake(err)
		return false
	}
	state := tc.ConnectionState()
	lp.tls.Handshake.Inc()
	if state.DidResume {
		lp.tls.Resumed.Inc()
	}
	if len(state.PeerCertificates) == 0 {
		lp.tls.NoCertificate.Inc()
	}
	c.nc, c.tls, c.handshaken, c.roots = tc, &state, time.Now(), c.chain.tls.ClientCAs
	return true
}

// shown is which of a listener's certificates the client gets, as crypto/tls
// chooses it: the first that the client can use.
func shown(cfg *tls.Config, hello *tls.ClientHelloInfo) *x509.Certificate {
	for i := range cfg.Certificates {
		if len(cfg.Certificates) == 1 || hello.SupportsCertificate(&cfg.Certificates[i]) == nil {
			return cfg.Certificates[i].Leaf
		}
	}
	return cfg.Certificates[0].Leaf // compileTLS wants one
}

var errNoChain = errors.New("no filter chain for this server name")

func (c *conn) addresses() {
	c.remote = []byte(c.sock.RemoteAddr().String())
	c.local = []byte(c.sock.LocalAddr().String())
	c.remoteIP = c.remote
	c.forwardIP = c.remote
	if host, _, err := net.SplitHostPort(string(c.remote)); err == nil {
		c.remoteIP = []byte(host)
		c.forwardIP = c.remoteIP
		if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
			c.forwardIP = c.engine.ownIP
		}
	}
}

// usesTLS reports whether connections of the listener begin with a handshake.
func (p *listenerProgram) usesTLS() bool {
	return len(p.chains) > 0 && p.chains[0].tls != nil
}

// find returns the chain for a server name: the exact name, then the longest
// wildcard, then the chain that takes all (config/listener/v3, FilterChainMatch).
func (p *listenerProgram) find(name string) *filterChain {
	name = strings.ToLower(name)
	var any *filterChain
	best, length := (*filterChain)(nil), -1
	for _, c := range p.chains {
		if len(c.serverNames) == 0 {
			any = c
			continue
		}
		for _, want := range c.serverNames {
			if want == name {
				return c
			}
			if rest, ok := strings.CutPrefix(want, "*"); ok && strings.HasSuffix(name, rest) && len(rest) > length {
				best, length = c, len(rest)
			}
		}
	}
	if best != nil {
		return best
	}
	return any
}

// add registers a connection; it reports false when the listener has stopped.
func (l *listener) add(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done.Load() {
		return false
	}
	l.conns[c] = struct{}{}
	l.startSweep()
	return true
}

func (l *listener) remove(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	l.checkEmpty()
}

func (l *listener) checkEmpty() {
	if l.done.Load() && len(l.conns) == 0 && l.empty != nil {
		close(l.empty)
		l.empty = nil
	}
}

// isEmpty reports whether a stopped listener has no connection left.
func (l *listener) isEmpty() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns) == 0
}

func (l *listener) connections() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.conns)
}

// stop ends accepting and wakes idle connections, so that they see it.
func (l *listener) stop() {
	_ = l.nl.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done.Store(true)
	for c := range l.conns {
		if session := c.session.Load(); session != nil {
			session.GoAway()
			continue
		}
		if c.state.CompareAndSwap(connIdle, connClosing) {
			_ = c.sock.SetReadDeadline(pastTime)
		}
	}
	l.checkEmpty()
}

func (l *listener) closeConnections() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		_ = c.sock.Close()
		if up := c.upstream.Load(); up != nil {
			up.Interrupt()
		}
		if up := c.upstreamStream.Load(); up != nil {
			h2uplink{up}.Interrupt()
		}
	}
}

// waitEmpty blocks until a stopped listener has no connection.
func (l *listener) waitEmpty(ctx context.Context) error {
	l.mu.Lock()
	empty := l.empty
	l.mu.Unlock()
	if empty != nil {
		select {
		case <-empty:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	l.tasks.Wait()
	return nil
}
