package upstream

import (
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/crossgate/crossgate/internal/http2"
)

// staleAfter is how long a connection may have been idle before it is looked at
// again when it is taken from the pool. Nobody watches idle connections, so a
// FIN of the other side is only found by asking the kernel, at the price of a
// system call.
const staleAfter = 250 * time.Microsecond

// Host is one endpoint of a cluster with its idle connections.
type Host struct {
	// Address is what is dialled: "ip:port", or "name:port" to be resolved.
	Address string

	text    []byte
	several bool // addresses, of which Address is the first
	limits  *limits
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	name    string                 // see Socket.Secure
	socket  atomic.Pointer[Socket] // nil: connections are in the clear
	key     hostKey

	active  atomic.Int64 // requests under way
	mu      sync.Mutex
	idle    []*Conn
	retired bool
	sweep   *time.Timer // of idle connections; nil: there was none yet
	sweepAt time.Time   // when it fires; zero: it does not

	conns connLimits

	workload atomic.Pointer[Workload]
	metadata atomic.Pointer[corev3.Metadata]

	http2    http2.Options
	sessions sessions // of HTTP/2
	health   hostHealth

	// Stats are what /clusters tells of the host.
	Stats HostStats
}

// Conn is a connection to a host. It is used by one request at a time.
type Conn struct {
	net.Conn
	host      *Host
	name      string // what the requests on it call the service
	inUse     bool
	idleSince time.Time
	deadline  time.Time
	probe     probe
	text      []byte
	count     counting
	born      time.Time
	birth     Birth
	requests  uint32
	// received and sent are bytes of the request at hand; its body may be sent by
	// a goroutine of its own.
	received, sent atomic.Int64
}

// Host returns the endpoint at the other end.
func (c *Conn) Host() *Host { return c.host }

// SetTimeout makes reads and writes that have not ended at t fail, or up to
// slack later; the zero time takes the limit away. A limit that is already right
// within the slack is left alone, so that a connection that is used all the time
// seldom pays for a new one.
func (c *Conn) SetTimeout(t time.Time, slack time.Duration) {
	if t.IsZero() {
		if c.deadline.IsZero() {
			return
		}
	} else {
		if !c.deadline.Before(t) && !c.deadline.After(t.Add(slack)) {
			return
		}
		t = t.Add(slack)
	}
	c.deadline = t
	// An error here means that the connection is closed: the next use says so.
	_ = c.SetDeadline(t)
}

// Acquire returns a connection to the host: an idle one, which reused tells, or
// a new one. When the cluster may not have more connections it waits for one.
// name is what the request calls the service, if the cluster's connections depend on
// it (Cluster.ByName): they serve no other. It fails with ErrOverflow, with the
// context's error, or with that of the dial.
func (h *Host) Acquire(ctx context.Context, connectTimeout time.Duration, name []byte) (c *Conn, reused bool, err error) {
	if c := h.takeIdle(name, time.Now()); c != nil {
		return c, true, nil
	}
	h.waits()
	c, reused, err = h.acquire(ctx, connectTimeout, name)
	h.waited(ctx, err)
	return c, reused, err
}

func (h *Host) acquire(ctx context.Context, connectTimeout time.Duration, name []byte) (c *Conn, reused bool, err error) {
	// As in Envoy, a request waits also while its connection is being made.
	if !h.limits.addPending() {
		return nil, false, ErrOverflow
	}
	defer h.limits.removePending()
	for overflows := false; ; overflows = true {
		if c := h.takeIdle(name, time.Now()); c != nil {
			return c, true, nil
		}
		if h.limits.addConnection() {
			break
		}
		if !overflows {
			h.limits.stats.CxOverflow.Inc()
		}
		if h.limits.evict() {
			continue
		}
		if err := h.limits.await(ctx, h.hasIdle); err != nil {
			return nil, false, err
		}
	}
	c, err = h.connect(ctx, connectTimeout, string(name))
	if err != nil {
		h.limits.removeConnection()
		return nil, false, err
	}
	return c, false, nil
}

func (h *Host) connect(ctx context.Context, timeout time.Duration, name string) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	count := h.opens(false)
	c := &Conn{host: h, name: name, text: h.text}
	link, sock, err := h.open(ctx, name, false, &c.birth)
	count.connected(err)
	if err != nil {
		return nil, err
	}
	c.Conn, c.probe, c.count, c.born = link, newProbe(sock), count, time.Now()
	if h.several {
		c.text = []byte(sock.RemoteAddr().String())
	}
	c.use()
	return c, nil
}

func (h *Host) hasIdle() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.idle) > 0
}

// takeIdle returns the connection that was used last for the name and is still
// open.
func (h *Host) takeIdle(name []byte, now time.Time) *Conn {
	for {
		c := h.pop(name)
		if c == nil {
			return nil
		}
		if now.Sub(c.idleSince) < staleAfter || c.probe.quiet() {
			c.use()
			return c
		}
		c.count.remote = true
		c.Discard()
	}
}

// pop takes the connection that was used last for the name, whatever its state.
func (h *Host) pop(name []byte) *Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := len(h.idle) - 1; i >= 0; i-- {
		if c := h.idle[i]; sameName(c.name, name) {
			h.idle = slices.Delete(h.idle, i, i+1)
			return c
		}
	}
	return nil
}

// popAny takes the connection that was used last, whatever its name and state.
func (h *Host) popAny() *Conn {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(h.idle)
	if n == 0 {
		return nil
	}
	c := h.idle[n-1]
	h.idle[n-1] = nil
	h.idle = h.idle[:n-1]
	return c
}

// use and unuse count the connections in use, by which hosts are compared.
func (c *Conn) use() {
	c.inUse = true
	c.received.Store(0)
	c.sent.Store(0)
	c.host.begin()
}

func (c *Conn) unuse() {
	if c.inUse {
		c.inUse = false
		c.host.end()
	}
}

// Release gives the connection back for the next request. now is when its
// exchange ended.
func (c *Conn) Release(now time.Time) {
	h := c.host
	c.idleSince = now
	c.unuse()
	more := h.conns.used(c, now)
	h.mu.Lock()
	if h.retired || !more || h.health.ejected.Load() {
		h.mu.Unlock()
		c.Discard()
		return
	}
	h.idle = append(h.idle, c)
	h.watch(c)
	h.mu.Unlock()
	h.limits.wake()
}

// Discard closes the connection: it cannot carry another request.
func (c *Conn) Discard() {
	c.count.close(c.inUse)
	c.unuse()
	_ = c.Close()
	c.host.limits.removeConnection()
}

// drainIdle closes the idle connections and lets those end that are in use, as Envoy
// does with the ones to a host that is ejected.
func (h *Host) drainIdle() {
	h.discardIdle()
	h.sessions.goAway()
}

// discardIdle closes the idle connections.
func (h *Host) discardIdle() {
	h.mu.Lock()
	idle := h.idle
	h.idle = nil
	h.mu.Unlock()
	for _, c := range idle {
		c.Discard()
	}
}

// Finish says that the exchange has ended well although the connection cannot
// carry another one: Discard then cuts nothing off.
func (c *Conn) Finish() { c.unuse() }

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.count.read(n, err)
	c.received.Add(int64(n))
	return n, err
}

// Wire returns how many bytes have come and gone for the request at hand, before TLS.
func (c *Conn) Wire() (received, sent int64) { return c.received.Load(), c.sent.Load() }

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.count.cluster.CxSent.Add(uint64(n))
	c.sent.Add(int64(n))
	return n, err
}

// retire closes the idle connections; those in use are closed when they are
// released.
func (h *Host) retire() {
	h.mu.Lock()
	h.retired = true
	if h.sweep != nil {
		h.sweep.Stop()
	}
	h.mu.Unlock()
	h.discardIdle()
	h.sessions.retire()
}

// Interrupt makes reads and writes fail that are under way or follow. It may be
// called while another goroutine uses the connection, which then has to be
// discarded.
func (c *Conn) Interrupt() { _ = c.SetDeadline(time.Unix(1, 0)) }

// LimitReads sets a new limit while another goroutine reads; ClearTimeout has to
// follow before the connection is released.
func (c *Conn) LimitReads(t time.Time) { _ = c.SetReadDeadline(t) }

// ClearTimeout takes all limits away.
func (c *Conn) ClearTimeout() {
	c.deadline = time.Time{}
	_ = c.SetDeadline(time.Time{})
}

// AddressText is the address at the other end as bytes, for logs; it must not be
// changed.
func (c *Conn) AddressText() []byte { return c.text }

// AddressText is the address as bytes, for logs; it must not be changed.
func (h *Host) AddressText() []byte { return h.text }

// WasReset reports whether the service answered what was sent with a reset, which
// a read does not tell if the service had closed the connection before.
func (c *Conn) WasReset() bool { return c.probe.reset() }

// Idle returns an idle connection of the host, or nil; name as for Acquire. now may be
// what it was some microseconds ago.
func (h *Host) Idle(name []byte, now time.Time) *Conn { return h.takeIdle(name, now) }
