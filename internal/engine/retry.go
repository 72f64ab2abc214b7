package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

// retryOn is the set of conditions of a retry policy.
type retryOn uint32

const (
	on5xx retryOn = 1 << iota
	onGatewayError
	onReset
	onConnectFailure
	onRetriable4xx
	onRefusedStream
	onStatusCodes
	onResetBeforeRequest
	onGRPCCancelled
	onGRPCDeadline
	onGRPCInternal
	onGRPCExhausted
	onGRPCUnavailable
)

var retryConditions = map[string]retryOn{
	"5xx":                    on5xx,
	"gateway-error":          onGatewayError,
	"reset":                  onReset,
	"reset-before-request":   onResetBeforeRequest,
	"connect-failure":        onConnectFailure,
	"retriable-4xx":          onRetriable4xx,
	"refused-stream":         onRefusedStream,
	"retriable-status-codes": onStatusCodes,
	"cancelled":              onGRPCCancelled,
	"deadline-exceeded":      onGRPCDeadline,
	"internal":               onGRPCInternal,
	"resource-exhausted":     onGRPCExhausted,
	"unavailable":            onGRPCUnavailable,
}

// retryPolicy is a compiled RetryPolicy.
type retryPolicy struct {
	on           retryOn
	retries      int
	perTry       time.Duration // 0: none
	codes        []int
	otherHosts   bool // previous_hosts
	hostAttempts int
	base, max    time.Duration // of the back-off
}

// Envoy's defaults (config/route/v3/route_components.proto, RetryPolicy).
const (
	defaultNumRetries  = 1
	defaultBackOffBase = 25 * time.Millisecond
	backOffFactor      = 10 // the longest interval is this many times the base
)

const previousHosts = "envoy.retry_host_predicates.previous_hosts"

func compileRetry(p *routev3.RetryPolicy) (*retryPolicy, error) {
	if p == nil || p.GetRetryOn() == "" {
		return nil, nil
	}
	out := &retryPolicy{retries: defaultNumRetries, base: defaultBackOffBase, hostAttempts: 1}
	for _, name := range strings.Split(p.GetRetryOn(), ",") {
		// Envoy ignores what it does not know, and so must its equal.
		out.on |= retryConditions[strings.TrimSpace(name)]
	}
	if n := p.GetNumRetries(); n != nil {
		out.retries = int(n.GetValue())
	}
	out.perTry = p.GetPerTryTimeout().AsDuration()
	for _, c := range p.GetRetriableStatusCodes() {
		out.codes = append(out.codes, int(c))
	}
	if b := p.GetRetryBackOff(); b != nil {
		out.base = b.GetBaseInterval().AsDuration()
		if m := b.GetMaxInterval(); m != nil {
			out.max = m.AsDuration()
		}
	}
	if out.base <= 0 {
		return nil, fmt.Errorf("retry_back_off: the base interval must be positive")
	}
	if out.max == 0 {
		out.max = backOffFactor * out.base
	}
	for _, h := range p.GetRetryHostPredicate() {
		if h.GetName() != previousHosts {
			return nil, fmt.Errorf("retry_host_predicate %q is not supported", h.GetName())
		}
		out.otherHosts = true
	}
	if n := p.GetHostSelectionRetryMaxAttempts(); n > 0 {
		out.hostAttempts = int(n)
	}
	return out, nil
}

// backOff is how long to wait before retry n, counted from 1: a random time
// below an interval that doubles.
func (p *retryPolicy) backOff(n int) time.Duration {
	limit := p.max
	if n < 30 {
		limit = min(limit, p.base*time.Duration(int64(1)<<n-1))
	}
	return time.Duration(randomBelow(uint32(limit/time.Microsecond)+1)) * time.Microsecond
}

// failure is why an attempt brought no answer.
type failure uint8

const (
	noFailure failure = iota
	failConnect
	failClosed   // the upstream ended the connection before the answer
	failProtocol // what came is no HTTP
	failReset    // the service has reset the stream
	failRefused  // the service has not begun with the stream
	failPerTry
	failTimeout
	failIdle
	failRequest // the request did not come whole in its time
	failOverflow
	failNoHost
	failClient // the client is gone: nobody is there to answer
)

// status is what a client is answered in the place of the service. One of gRPC gets
// it in another form.
func (f failure) status() int {
	switch f {
	case failTimeout, failPerTry, failIdle:
		return 504
	case failProtocol:
		return 502
	}
	return 503
}

// wants reports whether the policy retries after an attempt that failed.
func (p *retryPolicy) wantsAfter(f failure) bool {
	switch f {
	case failConnect:
		return p.on&(onConnectFailure|on5xx|onGatewayError|onReset) != 0
	case failRefused:
		return p.on&(onRefusedStream|on5xx|onGatewayError|onReset) != 0
	case failClosed, failProtocol, failReset, failPerTry:
		return p.on&(on5xx|onGatewayError|onReset) != 0
	}
	return false
}

// wantsStatus reports whether the policy retries a response.
func (p *retryPolicy) wantsStatus(s *stream) bool {
	status := s.resp.Status
	switch {
	case status >= 500 && p.on&on5xx != 0,
		status >= 502 && status <= 504 && p.on&onGatewayError != 0,
		status == 409 && p.on&onRetriable4xx != 0,
		p.on&onStatusCodes != 0 && slices.Contains(p.codes, status):
		return true
	}
	return p.on&(onGRPCCancelled|onGRPCDeadline|onGRPCInternal|onGRPCExhausted|onGRPCUnavailable) != 0 && p.wantsGRPC(s)
}

// wantsGRPC looks at the status of an answer that is all headers.
func (p *retryPolicy) wantsGRPC(s *stream) bool {
	v, ok := s.resp.Headers.Get("grpc-status")
	if !ok {
		return false
	}
	switch string(v) {
	case "1":
		return p.on&onGRPCCancelled != 0
	case "4":
		return p.on&onGRPCDeadline != 0
	case "8":
		return p.on&onGRPCExhausted != 0
	case "13":
		return p.on&onGRPCInternal != 0
	case "14":
		return p.on&onGRPCUnavailable != 0
	}
	return false
}
