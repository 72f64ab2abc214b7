package upstream

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
)

// Cluster is the view of a named group of hosts that one program has. It is
// immutable but for counters.
type Cluster struct {
	// Name as in the snapshot.
	Name string
	// ConnectTimeout bounds a dial.
	ConnectTimeout time.Duration
	// HTTP2 says that the hosts speak HTTP/2 without being asked.
	HTTP2 bool
	// ByName says that connections depend on what a request calls the service.
	ByName bool
	// ByDestination says that a request goes to the address that its client meant
	// (ORIGINAL_DST). Who is connected to directly does not know it, so that the
	// cluster has no hosts.
	ByDestination bool
	// LikeClient says that they speak the protocol of the client of each request.
	LikeClient bool
	// Trailers says that trailers pass in HTTP/1.1 (enable_trailers), ProperCase
	// that names of headers are sent in proper case (header_key_format).
	Trailers, ProperCase bool
	// Service is Istio's name of the service behind the cluster, if the
	// cluster's metadata carries one: what metrics call destination_service.
	Service Service
	// Metadata is all that the cluster carries, for logs.
	Metadata *corev3.Metadata

	// Stats are what the cluster counts in.
	Stats *Stats

	limits  *limits
	policy  clusterv3.Cluster_LbPolicy
	balance balance
	load    *endpointv3.ClusterLoadAssignment
	absent  []member   // endpoints that take no traffic
	fixed   *members   // unless discovery has them
	names   *discovery // nil: the endpoints are addresses
	next    atomic.Uint32

	outliers *outliers // nil: none
	current  atomic.Pointer[choice]
}

// Service names a service as Istio's metrics do.
type Service struct {
	Host, Name, Namespace string
}

// Hosts returns the endpoints that take traffic: of names, those of the addresses
// that they have now.
func (c *Cluster) Hosts() []*Host { return c.members().hosts }

func (c *Cluster) members() *members {
	if c.names != nil {
		return c.names.members.Load()
	}
	return c.fixed
}

// Pick returns a host by the cluster's policy, or nil if it has none. Hosts in
// tried are passed over as long as another one is found within attempts further
// choices (Envoy's previous_hosts predicate with
// host_selection_retry_max_attempts).
func (c *Cluster) Pick(tried []*Host, attempts int) *Host {
	choice := c.choice()
	for {
		from := choice.level()
		if from == nil && c.balance.panicPercent > 0 || from != nil && from.panic {
			c.Stats.Panic.Inc()
		}
		if from == nil {
			c.Stats.CxNoneHealthy.Inc()
			return nil
		}
		h := c.choose(from)
		if attempts <= 0 || !slices.Contains(tried, h) {
			return h
		}
		attempts--
	}
}

func (c *Cluster) choose(from *level) *Host {
	switch c.policy {
	case clusterv3.Cluster_RANDOM:
		return from.random()
	case clusterv3.Cluster_LEAST_REQUEST:
		// Envoy's choice of two: the one with fewer requests.
		a, b := from.random(), from.random()
		if b.active.Load() < a.active.Load() {
			return b
		}
		return a
	}
	i := c.next.Add(1) - 1
	return from.hosts[from.schedule[int(i%uint32(len(from.schedule)))]]
}

// random goes through the schedule too, for it carries the weights.
func (l *level) random() *Host {
	return l.hosts[l.schedule[rand.IntN(len(l.schedule))]]
}

// BeginRequest counts a request in; it reports false when the cluster has as
// many as it may. EndRequest counts it out.
func (c *Cluster) BeginRequest() bool {
	if c.limits.requests.Add(1) > c.limits.maxRequests {
		c.limits.requests.Add(-1)
		c.Stats.RqActiveOverflow.Inc()
		return false
	}
	if b := c.limits.budget; b != nil && b.recent != nil {
		b.recent.count(time.Now(), 1)
	}
	return true
}

// EndRequest counts a request out.
func (c *Cluster) EndRequest() { c.limits.requests.Add(-1) }

// BeginRetry counts a retry in; it reports false when the cluster has as many
// under way as it may. EndRetry counts it out.
func (c *Cluster) BeginRetry() bool {
	limit := c.limits.maxRetries
	if b := c.limits.budget; b != nil {
		limit = b.limit(c.limits.requests.Load() - 1) // this one is not under way between its attempts
	}
	if c.limits.retries.Add(1) > limit {
		c.limits.retries.Add(-1)
		c.Stats.RetryOverflow.Inc()
		return false
	}
	return true
}

// EndRetry counts a retry out.
func (c *Cluster) EndRetry() { c.limits.retries.Add(-1) }

// maxSchedule bounds the length of a round of weighted choices.
const maxSchedule = 4096

// newSchedule spreads the hosts over one round according to their weights, as
// evenly as an earliest-deadline-first scheduler does: host i comes weights[i]
// times. Weights are scaled down where the round would be too long.
func newSchedule(weights []uint32) []uint32 {
	if equal(weights) {
		round := make([]uint32, len(weights))
		for i := range round {
			round[i] = uint32(i)
		}
		return round
	}
	var sum uint64
	for _, w := range weights {
		sum += uint64(max(w, 1))
	}
	scaled := make([]float64, len(weights))
	n := 0
	for i, w := range weights {
		scaled[i] = float64(max(w, 1))
		if sum > maxSchedule {
			scaled[i] = max(1, scaled[i]*maxSchedule/float64(sum))
		}
		n += int(scaled[i])
	}
	next := make(deadlines, len(weights))
	for i := range next {
		next[i] = deadline{1 / scaled[i], uint32(i)}
	}
	heap.Init(&next)
	round := make([]uint32, 0, n)
	for range n {
		first := &next[0]
		round = append(round, first.host)
		first.at += 1 / scaled[first.host]
		heap.Fix(&next, 0)
	}
	return round
}

// deadline is when a host comes next in a round.
type deadline struct {
	at   float64
	host uint32
}

// deadlines is a heap: the first one comes first, of equal ones the first host's.
type deadlines []deadline

func (d deadlines) Len() int { return len(d) }
func (d deadlines) Less(i, j int) bool {
	return d[i].at < d[j].at || d[i].at == d[j].at && d[i].host < d[j].host
}
func (d deadlines) Swap(i, j int) { d[i], d[j] = d[j], d[i] }

// Push implements heap.Interface; a round has the hosts that it begins with.
func (d *deadlines) Push(x any) { *d = append(*d, x.(deadline)) }

// Pop implements heap.Interface.
func (d *deadlines) Pop() any {
	last := (*d)[len(*d)-1]
	*d = (*d)[:len(*d)-1]
	return last
}

func equal(weights []uint32) bool {
	for _, w := range weights {
		if w != weights[0] {
			return false
		}
	}
	return true
}
