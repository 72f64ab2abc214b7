package upstream

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
)

// ErrOverflow says that a circuit breaker of the cluster is open: too many
// connections with too many requests waiting for one, or too many requests.
var ErrOverflow = errors.New("upstream: overflow")

// limits are the circuit breakers of one cluster.
type limits struct {
	maxConnections, maxPending, maxRequests, maxRetries int64
	connections, pending, requests, retries             atomic.Int64
	budget                                              *retryBudget // of retries, in place of maxRetries; nil: none

	mu      sync.Mutex
	waiters []chan struct{}
	hosts   []*Host

	stats *Stats
}

// evict closes an idle connection of any host of the cluster: the limit is on all
// of them together, and none may keep the others from being reached.
func (l *limits) evict() bool {
	l.mu.Lock()
	hosts := l.hosts
	l.mu.Unlock()
	for _, h := range hosts {
		if c := h.popAny(); c != nil {
			c.Discard()
			return true
		}
	}
	return false
}

func (l *limits) addConnection() bool {
	if l.connections.Add(1) > l.maxConnections {
		l.connections.Add(-1)
		return false
	}
	return true
}

func (l *limits) removeConnection() {
	l.connections.Add(-1)
	l.wake()
}

// addPending counts a request in that waits for a connection, or for it to be made;
// it reports false
// when as many wait as may. removePending counts it out.
func (l *limits) addPending() bool {
	if l.pending.Add(1) > l.maxPending {
		l.pending.Add(-1)
		return false
	}
	return true
}

func (l *limits) removePending() { l.pending.Add(-1) }

// await blocks until a connection may have become free, for a request that is
// counted as pending. ready is asked once the caller is in the queue, so that no
// wake-up between the two is lost.
func (l *limits) await(ctx context.Context, ready func() bool) error {
	ch := make(chan struct{})
	l.mu.Lock()
	l.waiters = append(l.waiters, ch)
	l.mu.Unlock()
	if ready() || l.connections.Load() < l.maxConnections {
		l.leave(ch)
		return nil
	}
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		l.leave(ch)
		return ctx.Err()
	}
}

// wake lets the request that waits longest try again.
func (l *limits) wake() {
	if l.pending.Load() == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiters) > 0 {
		close(l.waiters[0])
		l.waiters = l.waiters[1:]
	}
}

// leave takes ch out of the queue; if it was woken meanwhile, the wake-up goes
// to the next one.
func (l *limits) leave(ch chan struct{}) {
	l.mu.Lock()
	for i, w := range l.waiters {
		if w == ch {
			l.waiters = append(l.waiters[:i], l.waiters[i+1:]...)
			l.mu.Unlock()
			return
		}
	}
	l.mu.Unlock()
	l.wake()
}

func newLimits(c *clusterv3.Cluster) *limits { return limitsOf(c, corev3.RoutingPriority_DEFAULT) }

// limitsOf reads the circuit breakers of a priority.
func limitsOf(c *clusterv3.Cluster, priority corev3.RoutingPriority) *limits {
	l := &limits{maxConnections: defaultLimit, maxPending: defaultLimit, maxRequests: defaultLimit, maxRetries: defaultRetries}
	for _, t := range c.GetCircuitBreakers().GetThresholds() {
		if t.GetPriority() != priority {
			continue
		}
		if v := t.GetMaxConnections(); v != nil {
			l.maxConnections = int64(v.GetValue())
		}
		if v := t.GetMaxPendingRequests(); v != nil {
			l.maxPending = int64(v.GetValue())
		}
		if v := t.GetMaxRequests(); v != nil {
			l.maxRequests = int64(v.GetValue())
		}
		if v := t.GetMaxRetries(); v != nil {
			l.maxRetries = int64(v.GetValue())
		}
		l.budget = newRetryBudget(t.GetRetryBudget())
	}
	return l
}
