package translate

import (
	"net/http"
	"strconv"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	previoushostsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
	previousprioritiesv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/priority/previous_priorities/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	defaultRetryOn      = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
	retriableStatus     = "retriable-status-codes"
	defaultRetries      = 2
	defaultHostReselect = 5
)

// retryPolicy translates the retries of a route. Without any written, istiod
// retries twice what cannot have reached the service.
func (b *routeBuilder) retryPolicy(hashed bool) *routev3.RetryPolicy {
	in := b.in.GetRetries()
	if in != nil && in.GetAttempts() <= 0 {
		return nil
	}
	out := &routev3.RetryPolicy{
		RetryOn:                       defaultRetryOn,
		NumRetries:                    wrapperspb.UInt32(defaultRetries),
		HostSelectionRetryMaxAttempts: defaultHostReselect,
	}
	if !hashed {
		// A hash leads to the same host again.
		out.RetryHostPredicate = b.previousHosts()
	}
	if in == nil {
		return out
	}
	out.NumRetries = wrapperspb.UInt32(uint32(in.GetAttempts()))
	out.PerTryTimeout = in.GetPerTryTimeout()
	if in.GetRetryOn() != "" {
		out.RetryOn, out.RetriableStatusCodes = retryOn(in.GetRetryOn())
	}
	if v := in.GetRetryIgnorePreviousHosts(); v != nil {
		out.RetryHostPredicate = nil
		if v.GetValue() {
			out.RetryHostPredicate = b.previousHosts()
		}
	}
	if in.GetBackoff() != nil {
		out.RetryBackOff = &routev3.RetryPolicy_RetryBackOff{BaseInterval: in.GetBackoff()}
	}
	if in.GetRetryRemoteLocalities().GetValue() {
		a := b.t.pack(b.from, b.path, &previousprioritiesv3.PreviousPrioritiesConfig{UpdateFrequency: 2})
		out.RetryPriority = &routev3.RetryPolicy_RetryPriority{
			Name:       "envoy.retry_priorities.previous_priorities",
			ConfigType: &routev3.RetryPolicy_RetryPriority_TypedConfig{TypedConfig: a},
		}
	}
	return out
}

func (b *routeBuilder) previousHosts() []*routev3.RetryPolicy_RetryHostPredicate {
	a := b.t.pack(b.from, b.path, &previoushostsv3.PreviousHostsPredicate{})
	return []*routev3.RetryPolicy_RetryHostPredicate{{
		Name:       "envoy.retry_host_predicates.previous_hosts",
		ConfigType: &routev3.RetryPolicy_RetryHostPredicate_TypedConfig{TypedConfig: a},
	}}
}

// retryOn parts the words of Envoy's retry policies from status codes, which
// Istio allows among them.
func retryOn(s string) (string, []uint32) {
	var words []string
	var codes []uint32
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		if code, err := strconv.Atoi(part); err == nil && http.StatusText(code) != "" {
			codes = append(codes, uint32(code))
		} else if part != "" {
			words = append(words, part)
		}
	}
	joined := strings.Join(words, ",")
	if len(codes) > 0 && !strings.Contains(joined, retriableStatus) {
		joined += "," + retriableStatus
	}
	return joined, codes
}
