package translate

import (
	faultcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/fault/v3"
	faultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
)

const filterFault = "envoy.filters.http.fault"

// grpcStatus are the codes by the names that Istio accepts.
var grpcStatus = map[string]uint32{
	"OK": 0, "CANCELLED": 1, "UNKNOWN": 2, "INVALID_ARGUMENT": 3, "DEADLINE_EXCEEDED": 4, "NOT_FOUND": 5,
	"ALREADY_EXISTS": 6, "PERMISSION_DENIED": 7, "RESOURCE_EXHAUSTED": 8, "FAILED_PRECONDITION": 9, "ABORTED": 10,
	"OUT_OF_RANGE": 11, "UNIMPLEMENTED": 12, "INTERNAL": 13, "UNAVAILABLE": 14, "DATA_LOSS": 15, "UNAUTHENTICATED": 16,
}

// fault translates the fault injection of a route. An abort may be there to
// keep requests out, so one that cannot be expressed takes its route with it.
func (b *routeBuilder) fault() (*faultv3.HTTPFault, bool) {
	out := &faultv3.HTTPFault{}
	refuse := func(field, message string) (*faultv3.HTTPFault, bool) {
		b.t.report(diag.Error, CodeUnsupported, b.from, b.path+".fault"+field, "route left out: %s", message)
		return nil, false
	}
	if d := b.in.GetFault().GetDelay(); d != nil {
		fixed, ok := d.GetHttpDelayType().(*networking.HTTPFaultInjection_Delay_FixedDelay)
		if !ok {
			return refuse(".delay", "only fixedDelay is supported")
		}
		out.Delay = &faultcommonv3.FaultDelay{
			FaultDelaySecifier: &faultcommonv3.FaultDelay_FixedDelay{FixedDelay: fixed.FixedDelay},
			Percentage:         percent(d.GetPercentage()),
		}
		if d.GetPercentage() == nil {
			whole := uint32(max(d.GetPercent(), 0)) //nolint:staticcheck // Deprecated, and still in use.
			out.Delay.Percentage = &typev3.FractionalPercent{Numerator: whole}
		}
	}
	if a := b.in.GetFault().GetAbort(); a != nil {
		out.Abort = &faultv3.FaultAbort{Percentage: percent(a.GetPercentage())}
		switch e := a.GetErrorType().(type) {
		case *networking.HTTPFaultInjection_Abort_HttpStatus:
			out.Abort.ErrorType = &faultv3.FaultAbort_HttpStatus{HttpStatus: uint32(max(e.HttpStatus, 0))}
		case *networking.HTTPFaultInjection_Abort_GrpcStatus:
			code, known := grpcStatus[e.GrpcStatus]
			if !known {
				return refuse(".abort.grpcStatus", "unknown gRPC status")
			}
			out.Abort.ErrorType = &faultv3.FaultAbort_GrpcStatus{GrpcStatus: code}
		default:
			return refuse(".abort", "only httpStatus and grpcStatus are supported")
		}
	}
	return out, true
}

// percent translates a percentage to parts of a million, as istiod does; none
// stays none, which Envoy takes for zero.
func percent(p *networking.Percent) *typev3.FractionalPercent {
	if p == nil {
		return nil
	}
	return &typev3.FractionalPercent{
		Numerator:   uint32(p.GetValue() * 10_000),
		Denominator: typev3.FractionalPercent_MILLION,
	}
}
