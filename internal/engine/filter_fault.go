package engine

// faultFilter is envoy.filters.http.fault, its abort half.
type faultFilter struct {
	slot int
	base *faultPolicy
}

// faultPolicy aborts a share of the requests with a status.
type faultPolicy struct {
	abort  fraction
	status int
}

var faultBody = []byte("fault filter abort")

func (f *faultFilter) request(s *stream) bool {
	p := f.base
	switch own := s.setting(f.slot).(type) {
	case *faultPolicy:
		p = own
	case disabledFilter:
		p = nil
	}
	if p == nil || p.status == 0 || !p.abort.draw() {
		return false
	}
	s.flags |= flagFaultInjected
	s.localReply(p.status, "fault_filter_abort", faultBody)
	return true
}

func (f *faultFilter) response(*stream) {}
