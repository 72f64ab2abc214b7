package engine

import (
	"cmp"
	"errors"
	"fmt"
	"math"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	faultcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/fault/v3"
	faultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"

	"github.com/crossgate/crossgate/internal/stats"
)

// The runtime keys that override a fault where it names no others (RuntimeKeys of
// Envoy's fault filter).
const (
	keyDelayPercent = "fault.http.delay.fixed_delay_percent"
	keyDelayMillis  = "fault.http.delay.fixed_duration_ms"
	keyAbortPercent = "fault.http.abort.abort_percent"
	keyAbortStatus  = "fault.http.abort.http_status"
	keyAbortGRPC    = "fault.http.abort.grpc_status"
	keyMaxActive    = "fault.http.max_active_faults"
)

func (c *compiler) compileFaultFilter(m *manager, name string, cfg *faultv3.HTTPFault) (*faultFilter, error) {
	base, err := compileFault(cfg, c.runtime)
	return &faultFilter{
		slot: c.slots[name], base: base,
		stats: stats.Use[faultStats](c.prog.counted, managerScope(m.statPrefix).In("fault")),
	}, err
}

func compileFault(f *faultv3.HTTPFault, rt runtime) (*faultPolicy, error) {
	p := &faultPolicy{cluster: f.GetUpstreamCluster(), maxActive: math.MaxInt64}
	for _, n := range f.GetDownstreamNodes() {
		if p.nodes == nil {
			p.nodes = map[string]struct{}{}
		}
		p.nodes[n] = struct{}{}
	}
	if n := f.GetMaxActiveFaults(); n != nil {
		p.maxActive = int64(n.GetValue())
	}
	if n := rt.integer(cmp.Or(f.GetMaxActiveFaultsRuntime(), keyMaxActive)); n != nil {
		p.maxActive = *n
	}
	for i, h := range f.GetHeaders() {
		m, err := compileHeaderMatch(h)
		if err != nil {
			return p, fmt.Errorf("headers[%d]: %w", i, err)
		}
		p.headers = append(p.headers, m)
	}
	var err error
	if p.delay, err = compileFaultDelay(f, rt); err != nil {
		return p, prefixed("delay", err)
	}
	if p.abort, err = compileFaultAbort(f, rt); err != nil {
		return p, prefixed("abort", err)
	}
	return p, nil
}

func compileFaultDelay(f *faultv3.HTTPFault, rt runtime) (*faultDelay, error) {
	d := f.GetDelay()
	if d == nil {
		return nil, nil
	}
	out := &faultDelay{override: rt.integer(cmp.Or(f.GetDelayDurationRuntime(), keyDelayMillis))}
	switch k := d.GetFaultDelaySecifier().(type) {
	case *faultcommonv3.FaultDelay_FixedDelay:
		if out.millis = k.FixedDelay.AsDuration().Milliseconds(); k.FixedDelay.AsDuration() <= 0 {
			return nil, errors.New("fixed_delay must be greater than 0")
		}
	case *faultcommonv3.FaultDelay_HeaderDelay_:
		out.byHeader = true
	default:
		return nil, errors.New("neither fixed_delay nor header_delay is set")
	}
	out.share = compileFaultShare(d.GetPercentage(), cmp.Or(f.GetDelayPercentRuntime(), keyDelayPercent), rt)
	if out.byHeader {
		out.share.header = "x-envoy-fault-delay-request-percentage"
	}
	return out, nil
}

func compileFaultAbort(f *faultv3.HTTPFault, rt runtime) (*faultAbort, error) {
	a := f.GetAbort()
	if a == nil {
		return nil, nil
	}
	out := &faultAbort{
		override:     rt.integer(cmp.Or(f.GetAbortHttpStatusRuntime(), keyAbortStatus)),
		overrideGRPC: rt.integer(cmp.Or(f.GetAbortGrpcStatusRuntime(), keyAbortGRPC)),
	}
	switch k := a.GetErrorType().(type) {
	case *faultv3.FaultAbort_HttpStatus:
		if out.status = int64(k.HttpStatus); out.status < 200 || out.status > 599 {
			return nil, errors.New("http_status must be between 200 and 599")
		}
	case *faultv3.FaultAbort_GrpcStatus:
		out.status, out.grpc = int64(k.GrpcStatus), true
	case *faultv3.FaultAbort_HeaderAbort_:
		out.byHeader = true
	default:
		return nil, errors.New("none of http_status, grpc_status and header_abort is set")
	}
	if o := out.override; o != nil && (*o < 200 || *o > 599) {
		return nil, fmt.Errorf("the runtime's http_status %d is not between 200 and 599", *o)
	}
	out.share = compileFaultShare(a.GetPercentage(), cmp.Or(f.GetAbortPercentRuntime(), keyAbortPercent), rt)
	if out.byHeader {
		out.share.header = "x-envoy-fault-abort-request-percentage"
	}
	return out, nil
}

func compileFaultShare(p *typev3.FractionalPercent, key string, rt runtime) faultShare {
	return faultShare{
		fraction:  rt.fraction(&corev3.RuntimeFractionalPercent{DefaultValue: p, RuntimeKey: key}),
		numerator: p.GetNumerator(),
		unit:      scale(1, p.GetDenominator()),
	}
}
