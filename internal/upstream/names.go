package upstream

import (
	"container/heap"
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
)

// Names looks up the names of clusters again and again, each when its time has
// come. There is one timer for all of them, and a goroutine for each lookup that
// is under way, of which there are few: a name that waits costs its place in a
// queue.
type Names struct {
	resolver Resolver
	log      *slog.Logger
	ctx      context.Context
	cancel   context.CancelFunc
	lookups  sync.WaitGroup

	mu      sync.Mutex
	queue   nameQueue
	timer   *time.Timer // for the first of the queue; nil: there was none yet
	running int
	closed  bool
}

// maxLookups bounds the lookups that are under way at a time.
const maxLookups = 64

// lookupLimit ends a lookup that no server answers.
const lookupLimit = 20 * time.Second

// NewNames returns a queue without names. It needs no goroutine until clusters
// with names are made.
func NewNames(r Resolver, log *slog.Logger) *Names {
	n := &Names{resolver: r, log: log}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n
}

// Close ends all lookups and waits for them.
func (n *Names) Close() {
	n.cancel()
	n.mu.Lock()
	n.closed, n.queue = true, nil
	if n.timer != nil {
		n.timer.Stop()
	}
	n.mu.Unlock()
	n.lookups.Wait()
}

// lookedUp is a name in an endpoint of a cluster.
type lookedUp struct {
	of       *discovery
	name     string
	port     string
	endpoint *endpointv3.LbEndpoint
	group    *endpointv3.LocalityLbEndpoints

	protection protection // guarded by of.mu

	addrs    []netip.Addr // guarded by of.mu
	failed   bool         // lately; only its lookup touches it
	failures int          // in a row

	due   time.Time // guarded by Names.mu, like what follows
	place int       // in the queue; -1: not there
	gone  bool
}

// add has the names looked up from now on.
func (n *Names) add(names []*lookedUp) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range names {
		l.due = time.Now()
		heap.Push(&n.queue, l)
	}
	n.start()
}

// remove has the names not looked up any more.
func (n *Names) remove(names []*lookedUp) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range names {
		l.gone = true
		if l.place >= 0 && l.place < len(n.queue) && n.queue[l.place] == l {
			heap.Remove(&n.queue, l.place)
		}
	}
}

// start begins the lookups that are due, as many as may run, and sets the timer
// for the next one. n.mu is held.
func (n *Names) start() {
	for !n.closed && n.running < maxLookups && len(n.queue) > 0 {
		wait := time.Until(n.queue[0].due)
		if wait > 0 {
			if n.timer == nil {
				n.timer = time.AfterFunc(wait, n.wake)
			} else {
				n.timer.Reset(wait)
			}
			return
		}
		l := heap.Pop(&n.queue).(*lookedUp)
		n.running++
		n.lookups.Go(func() { n.look(l) })
	}
}

func (n *Names) wake() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.start()
}

// look looks up one name and puts it back into the queue.
func (n *Names) look(l *lookedUp) {
	wait := n.resolve(l)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.running--
	if !l.gone && !n.closed {
		l.due = time.Now().Add(wait)
		heap.Push(&n.queue, l)
	}
	n.start()
}

// resolve looks up a name, tells its cluster, and returns when to do so again.
func (n *Names) resolve(l *lookedUp) time.Duration {
	s := &l.of.settings
	ctx, cancel := context.WithTimeout(n.ctx, lookupLimit)
	defer cancel()
	answer, err := s.family.lookup(ctx, n.resolver, s.query(l.name))
	if n.ctx.Err() != nil {
		return 0
	}
	n.say(l, answer, err)
	if err != nil {
		l.of.looked(l)
		l.failures++
		return s.afterFailure(l.failures)
	}
	l.failures = 0
	l.of.update(l, answer.Addrs)
	wait := s.refresh
	if s.respectTTL && answer.TTL > 0 {
		wait = answer.TTL
	}
	if s.jitter > 0 {
		wait += rand.N(s.jitter)
	}
	return wait
}

// say tells an operator that a name has no addresses, and that it has some again.
func (n *Names) say(l *lookedUp, a Answer, err error) {
	bad := err != nil || len(a.Addrs) == 0
	if bad == l.failed {
		return
	}
	l.failed = bad
	switch {
	case err != nil:
		n.log.Warn("a name could not be looked up", "name", l.name, "cluster", l.of.cluster, "error", err)
	case bad:
		n.log.Warn("a name has no addresses", "name", l.name, "cluster", l.of.cluster, "family", l.of.settings.family.String())
	default:
		n.log.Info("a name has addresses again", "name", l.name, "cluster", l.of.cluster)
	}
}

// nameQueue is a heap of names by the time at which they are due.
type nameQueue []*lookedUp

func (q nameQueue) Len() int           { return len(q) }
func (q nameQueue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q nameQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push implements heap.Interface.
func (q *nameQueue) Push(x any) {
	l := x.(*lookedUp)
	l.place = len(*q)
	*q = append(*q, l)
}

// Pop implements heap.Interface.
func (q *nameQueue) Pop() any {
	last := len(*q) - 1
	l := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	l.place = -1
	return l
}

// unique drops the addresses that a list has twice.
func unique(addrs []netip.Addr) (out []netip.Addr) {
	for _, a := range addrs {
		if !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}
