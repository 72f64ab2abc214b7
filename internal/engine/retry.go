package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	previousv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
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
	switch {
	case out.max == 0:
		out.max = backOffFactor * min(out.base, math.MaxInt64/backOffFactor)
	case out.max < out.base:
		return nil, fmt.Errorf("retry_back_off: max_interval must not be below base_interval")
	}
	for _, h := range p.GetRetryHostPredicate() {
		if typed := h.GetTypedConfig(); typed == nil && h.GetName() != previousHosts || typed != nil && !typed.MessageIs(&previousv3.PreviousHostsPredicate{}) {
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
	if steps := time.Duration(1)<<min(n, 62) - 1; steps < p.max/p.base {
		limit = p.base * steps
	}
	return rand.N(limit)
}

// retry decides after an attempt whether there is another one, and waits for it. If
// there is none it returns what the client is answered for: the attempt's failure, or
// what has ended the wait.
func (s *stream) retry(f failure) (again bool, _ failure) {
	s.up.endRetry()
	p := s.route.retry
	if p == nil || s.upgraded {
		return false, f
	}
	want := p.wantsAfter(f)
	if f == noFailure {
		want = p.wantsStatus(s)
	}
	if !want {
		if s.attempts > 1 && f == noFailure {
			s.target.cluster.Stats.RetrySuccess.Inc()
		}
		return false, f
	}
	st := s.target.cluster.Stats
	if s.attempts > p.retries {
		s.flags |= flagRetryLimit
		st.RetryLimit.Inc()
		return false, f
	}
	if !s.up.replayable {
		return false, f
	}
	if !s.up.beginRetry() {
		s.flags |= flagOverflow
		return false, f
	}
	wait := p.backOff(s.attempts)
	if left, limited := s.up.timeLeft(); limited && wait >= left {
		return false, f
	}
	st.Retries.Inc()
	st.RetryBackOff.Inc()
	if f == noFailure {
		st.Retried.Rq.Inc(s.resp.Status)
	}
	s.up.drop()
	if f := s.up.rest(wait); f != noFailure {
		return false, f
	}
	s.resp.Reset()
	s.nextAttempt()
	return true, noFailure
}

// rest waits before the next attempt, and returns what has ended the wait early: there
// is no answer left to pass on then.
func (x *exchange) rest(wait time.Duration) failure {
	ctx, done := x.waitContext()
	defer done()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return noFailure
	case <-ctx.Done():
	}
	switch {
	case x.s.client.left():
		return failClient
	case x.expired():
		return failTimeout
	}
	return failClosed // with the engine
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
