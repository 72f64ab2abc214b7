package engine

import (
	"strconv"
	"time"
)

// faultFilter is envoy.filters.http.fault: it delays a share of the requests and
// aborts a share of them; who gets both waits first.
type faultFilter struct {
	slot int
	base *faultPolicy
	// stats are shared by all managers with the same stat_prefix; max_active_faults
	// is a limit on the faults under way of all of them.
	stats *faultStats
}

// faultPolicy is a compiled HTTPFault.
type faultPolicy struct {
	delay *faultDelay // nil: none
	abort *faultAbort
	// What the request has to be for the policy to concern it.
	cluster string
	nodes   map[string]struct{}
	headers []headerMatch

	maxActive int64
}

// faultDelay is how long a request waits.
type faultDelay struct {
	share    faultShare
	byHeader bool  // x-envoy-fault-delay-request says it, in milliseconds
	millis   int64 // otherwise
	override *int64
}

// faultAbort is with what a request is answered instead of by the service.
type faultAbort struct {
	share                  faultShare
	byHeader               bool // x-envoy-fault-abort-request, -abort-grpc-request
	status                 int64
	grpc                   bool // status is one of gRPC
	override, overrideGRPC *int64
}

// faultShare is the share of the requests; with header, the request may ask to be
// in a smaller one.
type faultShare struct {
	fraction
	header    string
	numerator uint32
	unit      fraction // of the numerator
}

func (f *faultShare) draw(s *stream) bool {
	if f.header == "" {
		return f.fraction.draw()
	}
	n, ok := headerNumber(s, f.header)
	if !ok || n >= int64(f.numerator) {
		return f.fraction.draw()
	}
	return fraction(min(uint64(n)*uint64(f.unit), oneMillion)).draw()
}

// headerNumber is the value of a header that is a number and not negative.
func headerNumber(s *stream, name string) (int64, bool) {
	v, _ := s.req.Headers.Get(name)
	n, err := strconv.ParseUint(string(v), 10, 32)
	return int64(n), err == nil
}

var faultBody = []byte("fault filter abort")

// policy is what is in force for the request; nil: the filter is off.
func (f *faultFilter) policy(s *stream) *faultPolicy {
	switch own := s.setting(f.slot).(type) {
	case *faultPolicy:
		return own
	case disabledFilter:
		return nil
	}
	return f.base
}

// mayPause implements pauser.
func (f *faultFilter) mayPause(s *stream) bool {
	p := f.policy(s)
	return p != nil && p.delay != nil
}

func (f *faultFilter) request(s *stream) bool {
	p := f.policy(s)
	if p == nil || p.delay == nil && p.abort == nil || !p.concerns(s) {
		return false
	}
	if d := p.delayOf(s); d > 0 && f.begin(s, p) {
		s.flags |= flagDelayInjected
		f.stats.Delays.Inc()
		if s.delay(d) {
			return true
		}
	}
	return f.abort(s, p)
}

func (f *faultFilter) response(*stream) {}

// concerns reports whether the request is one that the policy is for.
func (p *faultPolicy) concerns(s *stream) bool {
	if p.cluster != "" && (s.target == nil || s.target.name != p.cluster) {
		return false
	}
	if len(p.nodes) > 0 {
		node, _ := s.req.Headers.Get("x-envoy-downstream-service-node")
		if _, ok := p.nodes[string(node)]; !ok {
			return false
		}
	}
	for i := range p.headers {
		if !p.headers[i].matches(s) {
			return false
		}
	}
	return true
}

// delayOf draws whether the request is delayed, and returns by how much; 0 is not
// at all.
func (p *faultPolicy) delayOf(s *stream) time.Duration {
	d := p.delay
	if d == nil || !d.share.draw(s) {
		return 0
	}
	ms := d.millis
	if d.byHeader {
		var ok bool
		if ms, ok = headerNumber(s, "x-envoy-fault-delay-request"); !ok {
			return 0
		}
	}
	if d.override != nil {
		ms = *d.override
	}
	return time.Duration(ms) * time.Millisecond
}

// begin counts the request among the faults under way, once; it reports false when
// there are as many as may be.
func (f *faultFilter) begin(s *stream, p *faultPolicy) bool {
	if s.fault != nil {
		return true
	}
	if f.stats.Active.Add(1) > p.maxActive {
		f.stats.Active.Add(-1)
		f.stats.Overflows.Inc()
		return false
	}
	s.fault = &f.stats.Active
	return true
}

// endFault counts the request out.
func (s *stream) endFault() {
	if s.fault != nil {
		s.fault.Add(-1)
		s.fault = nil
	}
}

// abort draws whether the request is aborted, and answers it if it is.
func (f *faultFilter) abort(s *stream, p *faultPolicy) bool {
	a := p.abort
	if a == nil || !a.share.draw(s) {
		return false
	}
	status, grpc, ok := a.statusOf(s)
	if !ok || !f.begin(s, p) {
		return false
	}
	if s.flags&flagDelayInjected != 0 {
		s.client.skipBuffered() // Envoy has read on meanwhile
	}
	s.flags |= flagFaultInjected
	f.stats.Aborts.Inc()
	if grpc {
		s.localReplyGRPC(status, "fault_filter_abort", faultBody)
	} else {
		s.localReply(int(status), "fault_filter_abort", faultBody)
	}
	return true
}

// statusOf is with what the request is answered; nothing if a header should say it
// and does not.
func (a *faultAbort) statusOf(s *stream) (status int64, grpc, ok bool) {
	status, grpc, ok = a.status, a.grpc, true
	if a.byHeader {
		status, ok = headerNumber(s, "x-envoy-fault-abort-request")
		if ok = ok && 200 <= status && status < 600; !ok {
			grpc = true
			status, ok = headerNumber(s, "x-envoy-fault-abort-grpc-request")
		}
	}
	switch {
	case grpc && a.overrideGRPC != nil:
		status = *a.overrideGRPC
	case !grpc && a.override != nil:
		status = *a.override
	}
	return status, grpc, ok
}

// pauseEnd is why a pause has ended.
type pauseEnd uint8

const (
	pauseOver pauseEnd = iota // the time has passed
	pauseIdle                 // nothing has come from the client for too long
	pauseLeft                 // the client has gone, or the engine is closed
)

// delay holds the request back. It reports whether that was its end: the client has
// gone, or the stream's idle timeout is shorter.
func (s *stream) delay(d time.Duration) (ended bool) {
	s.lately = time.Time{}
	switch s.client.pause(d, s.idleTimeout()) {
	case pauseOver:
		return false
	case pauseLeft:
		s.clientGone()
		return true
	}
	s.client.skipBuffered()
	s.flags |= flagStreamIdle
	status := 504
	if !s.client.ended() {
		status = 408
	}
	s.localReply(status, "stream_idle_timeout", textIdle)
	return true
}

// idleTimeout is the route's, or else the manager's; 0 is none.
func (s *stream) idleTimeout() time.Duration {
	if s.route != nil && len(s.route.targets) > 0 && s.route.idleTimeout >= 0 {
		return s.route.idleTimeout
	}
	return s.manager.streamIdleTimeout
}
