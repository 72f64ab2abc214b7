package stats

import (
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// statistic is a field of a group of Envoy statistics. read tells what it is now,
// under the name that the field has in its scope.
type statistic interface {
	read(sc Scope, name string, emit func(Sample))
}

// Counter is a number that only grows. The zero value is ready; all methods are
// safe for concurrent use and allocate nothing.
type Counter struct{ n atomic.Uint64 }

// Inc adds one.
func (c *Counter) Inc() { c.n.Add(1) }

// Add adds n.
func (c *Counter) Add(n uint64) { c.n.Add(n) }

// Value returns the number.
func (c *Counter) Value() uint64 { return c.n.Load() }

func (c *Counter) read(sc Scope, name string, emit func(Sample)) {
	n := c.n.Load()
	emit(sc.sample(name, CounterKind, n, n > 0))
}

// Gauge is a number that goes up and down, never below zero. The zero value is
// ready; all methods are safe for concurrent use and allocate nothing.
type Gauge struct {
	n    atomic.Int64
	used atomic.Bool
}

// Add adds n, which may be negative, and returns the sum.
func (g *Gauge) Add(n int64) int64 {
	g.use()
	return g.n.Add(n)
}

// Set makes the number n.
func (g *Gauge) Set(n int64) {
	g.n.Store(n)
	g.use()
}

// Value returns the number.
func (g *Gauge) Value() uint64 { return uint64(max(g.n.Load(), 0)) }

func (g *Gauge) use() {
	if !g.used.Load() {
		g.used.Store(true)
	}
}

func (g *Gauge) read(sc Scope, name string, emit func(Sample)) {
	emit(sc.sample(name, GaugeKind, g.Value(), g.used.Load()))
}

// Histogram counts values by size, with Envoy's bounds. It counts once it is part
// of a group; all methods are safe for concurrent use and allocate nothing.
type Histogram struct{ h prometheus.Histogram }

// Observe counts a value.
func (h *Histogram) Observe(v float64) {
	if h.h != nil {
		h.h.Observe(v)
	}
}

func (h *Histogram) begin() {
	h.h = prometheus.NewHistogram(prometheus.HistogramOpts{Name: "envoy", Buckets: durationBounds})
}

func (h *Histogram) read(sc Scope, name string, emit func(Sample)) {
	m := &dto.Metric{}
	if h.h.Write(m) != nil {
		return // only a metric with wrong labels does that
	}
	s := sc.sample(name, HistogramKind, m.GetHistogram().GetSampleCount(), m.GetHistogram().GetSampleCount() > 0)
	s.Histogram = m.GetHistogram()
	emit(s)
}

// Classes counts answers by the first digit of their status: the field
// downstream_rq is downstream_rq_2xx and so on, and downstream_rq_completed.
type Classes struct{ n [6]Counter }

// Inc counts an answer.
func (c *Classes) Inc(status int) {
	class := status / 100
	if class < 1 || class > 5 {
		class = 0
	}
	c.n[class].Inc()
}

func (c *Classes) read(sc Scope, name string, emit func(Sample)) {
	var sum uint64
	for class := range c.n {
		n := c.n[class].Value()
		sum += n
		if class > 0 {
			emit(sc.class(name, class, n))
		}
	}
	emit(sc.sample(name+"_completed", CounterKind, sum, sum > 0))
}

// Codes counts answers by their status: the field upstream_rq is upstream_rq_200,
// upstream_rq_2xx, upstream_rq_completed and so on, of those that there were.
type Codes struct {
	mu    sync.Mutex
	codes atomic.Pointer[map[int]*Counter]
}

// Inc counts an answer. What is no status of HTTP, which has three digits, is not
// counted.
func (c *Codes) Inc(status int) {
	if m := c.codes.Load(); m != nil {
		if n := (*m)[status]; n != nil {
			n.Inc()
			return
		}
	}
	if status >= 100 && status <= 999 {
		c.add(status).Inc()
	}
}

func (c *Codes) add(status int) *Counter {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := map[int]*Counter{}
	if old := c.codes.Load(); old != nil {
		if n := (*old)[status]; n != nil {
			return n
		}
		for k, v := range *old {
			next[k] = v
		}
	}
	n := new(Counter)
	next[status] = n
	c.codes.Store(&next)
	return n
}

func (c *Codes) read(sc Scope, name string, emit func(Sample)) {
	m := c.codes.Load()
	if m == nil {
		return
	}
	var sum uint64
	var classes [10]uint64
	for status, n := range *m {
		v := n.Value()
		sum += v
		classes[status/100] += v
		code := strconv.Itoa(status)
		s := sc.sample(name+"_"+code, CounterKind, v, v > 0)
		s.metric = sc.metric + name
		s.tags = append(s.tags[:len(s.tags):len(s.tags)], Tag{"envoy_response_code", code})
		emit(s)
	}
	for class, n := range classes {
		if n > 0 && class <= 5 {
			emit(sc.class(name, class, n))
		}
	}
	emit(sc.sample(name+"_completed", CounterKind, sum, sum > 0))
}

func (sc Scope) class(name string, class int, n uint64) Sample {
	digit := strconv.Itoa(class)
	s := sc.sample(name+"_"+digit+"xx", CounterKind, n, n > 0)
	s.metric = sc.metric + name + "_xx"
	s.tags = append(s.tags[:len(s.tags):len(s.tags)], Tag{"envoy_response_code_class", digit})
	return s
}
