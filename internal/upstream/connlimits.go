package upstream

import (
	"context"
	"errors"
	"net"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
)

// connLimits bound the life of a connection to a service. A connection that has
// reached one ends after the request that it carries.
type connLimits struct {
	idle     time.Duration // without requests; 0: no limit
	longest  time.Duration // from its beginning; 0: no limit
	requests uint32        // in all; 0: no limit
}

// newConnLimits reads the limits of a cluster's connections.
func newConnLimits(o *httpv3.HttpProtocolOptions) (connLimits, error) {
	common := o.GetCommonHttpProtocolOptions()
	if common.GetMaxStreamDuration() != nil {
		return connLimits{}, errors.New("max_stream_duration of a cluster is not supported")
	}
	return connLimits{
		idle:     length(common.GetIdleTimeout(), defaultIdle),
		longest:  length(common.GetMaxConnectionDuration(), 0),
		requests: common.GetMaxRequestsPerConnection().GetValue(),
	}, nil
}

// due is when an idle connection reaches a limit; the zero time for never.
func (l *connLimits) due(c *Conn) (at time.Time) {
	if l.idle > 0 {
		at = c.idleSince.Add(l.idle)
	}
	if l.longest > 0 {
		if end := c.born.Add(l.longest); at.IsZero() || end.Before(at) {
			at = end
		}
	}
	return at
}

// used counts a request that the connection has carried and reports whether it
// may carry another one.
func (l *connLimits) used(c *Conn, now time.Time) bool {
	c.requests++
	return (l.requests == 0 || c.requests < l.requests) && (l.longest == 0 || now.Sub(c.born) < l.longest)
}

// watch has the idle connection closed when its time has come. h.mu is held.
func (h *Host) watch(c *Conn) {
	at := h.conns.due(c)
	if at.IsZero() || !h.sweepAt.IsZero() && !at.Before(h.sweepAt) {
		return
	}
	h.sweepAt = at
	if h.sweep == nil {
		h.sweep = time.AfterFunc(time.Until(at), h.closeIdle)
	} else {
		h.sweep.Reset(time.Until(at))
	}
}

// closeIdle closes the idle connections whose time has come.
func (h *Host) closeIdle() {
	now := time.Now()
	var over []*Conn
	h.mu.Lock()
	h.sweepAt = time.Time{}
	stay := h.idle[:0]
	for _, c := range h.idle {
		if at := h.conns.due(c); !at.IsZero() && !at.After(now) {
			over = append(over, c)
		} else {
			stay = append(stay, c)
		}
	}
	clear(h.idle[len(stay):])
	h.idle = stay
	for _, c := range stay {
		h.watch(c)
	}
	h.mu.Unlock()
	for _, c := range over {
		c.Discard()
	}
}

// probing makes the kernel probe the connections that dial opens, as far as the
// cluster asks for it; what it does not say stays with the operating system.
func probing(dial Dial, k *corev3.TcpKeepalive) Dial {
	if k == nil {
		return dial
	}
	seconds := func(v uint32, given bool) time.Duration {
		if !given {
			return -1
		}
		return time.Duration(v) * time.Second
	}
	config := net.KeepAliveConfig{
		Enable:   true,
		Idle:     seconds(k.GetKeepaliveTime().GetValue(), k.GetKeepaliveTime() != nil),
		Interval: seconds(k.GetKeepaliveInterval().GetValue(), k.GetKeepaliveInterval() != nil),
		Count:    -1,
	}
	if k.GetKeepaliveProbes() != nil {
		config.Count = int(k.GetKeepaliveProbes().GetValue())
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if tcp, ok := c.(*net.TCPConn); err == nil && ok {
			_ = tcp.SetKeepAliveConfig(config) // a connection without probes is one all the same
		}
		return c, err
	}
}
