package upstream

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/crossgate/crossgate/internal/stats"
)

// Outcome is what became of a request to a host, as outlier detection counts it:
// the status of the answer, or one of the values below.
type Outcome int

// What is no answer of the host counts as Envoy counts it: a connection that
// could not be had or broke as 503, a time-out as 504, unless the cluster tells
// local failures from answers (split_external_local_origin_errors).
const (
	LocalFailure Outcome = -503
	LocalTimeout Outcome = -504
)

// outliers is the outlier detection of one cluster (config/cluster/v3,
// OutlierDetection): hosts that fail several times in a row are ejected, longer
// each time. There is no clock that runs: what is due is done when a host is
// chosen.
type outliers struct {
	consecutive5xx, gateway, local trigger
	split                          bool
	interval, base, longest        time.Duration
	maxPercent                     int

	version atomic.Uint32 // changes with every ejection and return

	dueAt atomic.Int64 // sweepAt in Unix nanoseconds, for looking without the lock

	mu      sync.Mutex
	sweepAt time.Time
	hosts   []*Host // each once
	stats   *OutlierStats
	ejected int
}

// trigger is how many failures in a row eject a host, and how often they do.
type trigger struct {
	limit    uint32
	enforced int // percent
}

// hostHealth is what outlier detection knows of a host. It is guarded by the
// cluster's outliers.mu, but for ejected, which may be read without.
type hostHealth struct {
	ejected                atomic.Bool
	consecutive5xx         atomic.Uint32
	gateway, localFailures atomic.Uint32
	since                  time.Time
	backOff                int // ejections lately, by which the next one is longer
}

// Envoy's defaults.
const (
	defaultInterval     = 10 * time.Second
	defaultBaseEjection = 30 * time.Second
	defaultMaxEjection  = 300 * time.Second
	defaultMaxPercent   = 10
	defaultConsecutive  = 5
)

// newOutliers returns nil for a cluster without outlier detection. What Envoy
// would carry out and this does not is an error.
func newOutliers(o *clusterv3.OutlierDetection) (*outliers, error) {
	if o == nil {
		return nil, nil
	}
	switch {
	case number(o.GetEnforcingSuccessRate(), 100) != 0, o.GetEnforcingFailurePercentage().GetValue() != 0,
		o.GetEnforcingFailurePercentageLocalOrigin().GetValue() != 0,
		o.GetSplitExternalLocalOriginErrors() && number(o.GetEnforcingLocalOriginSuccessRate(), 100) != 0:
		return nil, errors.New("outlier_detection by success rate or failure percentage is not supported: set its enforcing_… field to 0")
	case o.GetAlwaysEjectOneHost().GetValue(), len(o.GetMonitors()) > 0:
		return nil, errors.New("outlier_detection: always_eject_one_host and monitors are not supported")
	}
	out := &outliers{
		consecutive5xx: trigger{number(o.GetConsecutive_5Xx(), defaultConsecutive), int(number(o.GetEnforcingConsecutive_5Xx(), 100))},
		gateway:        trigger{number(o.GetConsecutiveGatewayFailure(), defaultConsecutive), int(o.GetEnforcingConsecutiveGatewayFailure().GetValue())},
		local:          trigger{number(o.GetConsecutiveLocalOriginFailure(), defaultConsecutive), int(number(o.GetEnforcingConsecutiveLocalOriginFailure(), 100))},
		split:          o.GetSplitExternalLocalOriginErrors(),
		interval:       length(o.GetInterval(), defaultInterval),
		base:           length(o.GetBaseEjectionTime(), defaultBaseEjection),
		maxPercent:     int(min(number(o.GetMaxEjectionPercent(), defaultMaxPercent), 100)),
	}
	out.longest = length(o.GetMaxEjectionTime(), max(defaultMaxEjection, out.base))
	switch {
	case out.interval <= 0 || out.base <= 0:
		return nil, errors.New("outlier_detection: interval and base_ejection_time must be positive")
	case out.longest < out.base:
		return nil, errors.New("outlier_detection: max_ejection_time must not be below base_ejection_time")
	}
	out.plan(time.Now().Add(out.interval))
	return out, nil
}

func number(v *wrapperspb.UInt32Value, unset uint32) uint32 {
	if v == nil {
		return unset
	}
	return v.GetValue()
}

// forever is the longest time that is reckoned with. Two such times make a Duration,
// and one from now on is a time that has nanoseconds.
const forever = 100 * 365 * 24 * time.Hour

func length(d *durationpb.Duration, unset time.Duration) time.Duration {
	if d == nil {
		return unset
	}
	return min(d.AsDuration(), forever)
}

// report counts the outcome of a request.
func (o *outliers) report(h *Host, what Outcome) {
	health := &h.health
	if what < 0 && o.split {
		o.count(h, &health.localFailures, o.local, &o.stats.DetectedLocal, &o.stats.EnforcedLocal)
		return
	}
	status := max(what, -what)
	if what > 0 && o.split {
		health.localFailures.Store(0)
	}
	if status < 500 {
		// Plain loads are cheaper than stores to a line that others read.
		if health.consecutive5xx.Load() != 0 {
			health.consecutive5xx.Store(0)
		}
		if health.gateway.Load() != 0 {
			health.gateway.Store(0)
		}
		return
	}
	if status >= 502 && status <= 504 {
		o.count(h, &health.gateway, o.gateway, &o.stats.DetectedGateway, &o.stats.EnforcedGateway)
	} else {
		health.gateway.Store(0)
	}
	if o.count(h, &health.consecutive5xx, o.consecutive5xx, &o.stats.Detected5xx, &o.stats.Enforced5xx) {
		o.stats.Old5xx.Inc()
	}
}

// count adds a failure and ejects the host when it is one too many, which it
// reports.
func (o *outliers) count(h *Host, n *atomic.Uint32, t trigger, detected, enforced *stats.Counter) bool {
	if n.Add(1) != t.limit {
		return false
	}
	n.Store(0)
	found, ejected := o.eject(h, t, detected, enforced)
	if ejected {
		h.drainIdle() // without the lock: others go on choosing hosts
	}
	return found
}

// eject takes a host out that has failed too often; found says that it was there.
func (o *outliers) eject(h *Host, t trigger, detected, enforced *stats.Counter) (found, ejected bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if h.health.ejected.Load() {
		return false, false
	}
	detected.Inc()
	// As measured on Envoy 1.40: the ejection itself counts for the percentage.
	if (o.ejected+1)*100 > o.maxPercent*len(o.hosts) {
		o.stats.Overflow.Inc()
		return true, false
	}
	o.stats.OldTotal.Inc()
	if rand.IntN(100) >= t.enforced {
		return true, false
	}
	enforced.Inc()
	o.stats.Total.Inc()
	o.stats.Active.Add(1)
	o.ejected++
	if o.base*time.Duration(h.health.backOff) < o.longest {
		h.health.backOff++ // more would not make the ejection longer, only its memory
	}
	h.health.since = time.Now()
	h.health.ejected.Store(true)
	o.version.Add(1)
	return true, true
}

// sweep lets hosts return whose time is over, as often as an interval has passed.
func (o *outliers) sweep() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for now := time.Now(); !now.Before(o.sweepAt); o.plan(o.sweepAt.Add(o.interval)) {
		if late := now.Sub(o.sweepAt); late > maxSweeps*o.interval {
			o.plan(o.sweepAt.Add((late / o.interval) * o.interval))
		}
		for _, h := range o.hosts {
			o.check(h)
		}
	}
}

// plan sets the time of the next sweep; o.mu is held, or o is new.
func (o *outliers) plan(at time.Time) {
	o.sweepAt = at
	o.dueAt.Store(at.UnixNano())
}

// maxSweeps bounds the sweeps that are made up for after a quiet time.
const maxSweeps = 100

func (o *outliers) check(h *Host) {
	health := &h.health
	if !health.ejected.Load() {
		health.backOff = max(health.backOff-1, 0)
		return
	}
	if o.sweepAt.Before(health.since.Add(min(o.base*time.Duration(health.backOff), o.longest))) {
		return
	}
	health.consecutive5xx.Store(0)
	health.gateway.Store(0)
	health.localFailures.Store(0)
	health.ejected.Store(false)
	o.ejected--
	o.stats.Active.Add(-1)
	o.version.Add(1)
}

// adopt makes hosts those that the percentage counts.
func (o *outliers) adopt(hosts []*Host) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hosts, o.ejected = nil, 0
	listed := map[*Host]bool{}
	for _, h := range hosts {
		if listed[h] {
			continue // an address that is listed twice
		}
		listed[h] = true
		o.hosts = append(o.hosts, h)
		if h.health.ejected.Load() {
			o.ejected++
		}
	}
	o.stats.Active.Set(int64(o.ejected))
	o.version.Add(1)
}

// choice returns the hosts that are not ejected.
func (c *Cluster) choice() *choice {
	o := c.outliers
	if o == nil {
		return c.members().all
	}
	if o.due() {
		o.sweep()
	}
	now := c.current.Load()
	version := o.version.Load() // before the members: what changes them changes it later
	if now != nil && now.version == version {
		return now
	}
	next := c.members().choice(c.balance, func(h *Host) bool { return !h.health.ejected.Load() })
	next.version = version
	c.current.Store(next)
	return next
}

func (o *outliers) due() bool { return time.Now().UnixNano() >= o.dueAt.Load() }

// Report counts the outcome of a request to a host of the cluster.
func (c *Cluster) Report(h *Host, what Outcome) {
	if c.outliers != nil {
		c.outliers.report(h, what)
	}
}

// Ejected reports whether outlier detection keeps requests from the host.
func (h *Host) Ejected() bool { return h.health.ejected.Load() }
