package resource

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

func (v *validator) httpRoute(r *networking.HTTPRoute, delegate bool, path string) {
	v.action(r, delegate, path)
	for i, m := range r.Match {
		v.match(m, at(path+".match", i))
	}
	v.headers(r.Headers, path+".headers")
	v.corsPolicy(r.CorsPolicy, path+".corsPolicy")
	v.fault(r.Fault, path+".fault")
	v.mirrors(r, path)
	v.redirect(r, path+".redirect")
	v.directResponse(r.DirectResponse, path+".directResponse")
	v.retries(r.Retries, path+".retries")
	v.rewrite(r.Rewrite, path+".rewrite")
	v.authority(r, path)
	total := int64(0)
	for i, d := range r.Route {
		p := at(path+".route", i)
		v.destination(d.Destination, p+".destination")
		v.headers(d.Headers, p+".headers")
		total += v.weight(d.Weight, p+".weight")
	}
	v.totalWeight(len(r.Route), total, path+".route")
	v.duration(r.Timeout, path+".timeout")
}

// action checks that a route does exactly one thing.
func (v *validator) action(r *networking.HTTPRoute, delegate bool, path string) {
	type part struct {
		name string
		set  bool
	}
	clash := func(what string, others ...part) {
		for _, o := range others {
			if o.set {
				v.errorf(path+"."+o.name, "a route cannot have both %s and %s", what, o.name)
			}
		}
	}
	route, redirect := part{"route", len(r.Route) > 0}, part{"redirect", r.Redirect != nil}
	fault, rewrite := part{"fault", r.Fault != nil}, part{"rewrite", r.Rewrite != nil}
	switch {
	case r.Delegate != nil && delegate:
		v.errorf(path+".delegate", "a delegate cannot delegate further")
	case r.Delegate != nil:
		clash("delegate", route, redirect)
	case redirect.set:
		clash("redirect", route, fault, rewrite, part{"directResponse", r.DirectResponse != nil})
	case r.DirectResponse != nil:
		clash("directResponse", route, fault, rewrite)
	case !route.set:
		v.errorf(path, "a route needs one of route, redirect, directResponse or delegate")
	}
}

func (v *validator) match(m *networking.HTTPMatchRequest, path string) {
	for name, sm := range m.Headers {
		v.check(join(path+".headers", name), matchHeaderName(name))
		v.stringMatch(sm, join(path+".headers", name))
	}
	for name, sm := range m.WithoutHeaders {
		v.check(join(path+".withoutHeaders", name), matchHeaderName(name))
		if sm.GetRegex() != "*" { // Istio's way to say "present", not a regex
			v.stringMatch(sm, join(path+".withoutHeaders", name))
		}
	}
	for name, sm := range m.QueryParams {
		v.stringMatch(sm, join(path+".queryParams", name))
	}
	v.regexMatch(m.Uri, path+".uri") // an empty prefix is allowed here: it matches every path
	v.stringMatch(m.Scheme, path+".scheme")
	v.stringMatch(m.Method, path+".method")
	v.stringMatch(m.Authority, path+".authority")
	if m.Port != 0 {
		v.check(path+".port", port(m.Port))
	}
	v.check(path+".sourceLabels", validLabels(m.SourceLabels))
	v.gatewayNames(m.Gateways, path+".gateways")
	if m.SourceNamespace != "" && !isLabel(m.SourceNamespace) {
		v.errorf(path+".sourceNamespace", "%q is not a namespace", m.SourceNamespace)
	}
}

// matchHeaderName checks the name of a header match, which may also be a
// pseudo-header or a claim of a JWT.
func matchHeaderName(name string) error {
	switch name {
	case ":method", ":scheme", ":authority", ":path", ":status":
		return nil
	}
	if isClaim(name) {
		return nil
	}
	return validHeaderName(name)
}

// isClaim reports whether the name of a header match is a claim of a JWT:
// @request.auth.claims.sub or @request.auth.claims[sub].
func isClaim(name string) bool {
	const prefix = "@request.auth.claims"
	if len(name) <= len(prefix) || !strings.EqualFold(name[:len(prefix)], prefix) {
		return false
	}
	rest := name[len(prefix):]
	return rest[0] == '.' && len(rest) > 1 || rest[0] == '[' && strings.HasSuffix(rest, "]") && len(rest) > 2
}

// validHeaderName takes a token (RFC 9110 section 5.6.2), and commas as istiod does.
func validHeaderName(name string) error {
	if name == "" {
		return errors.New("a header name is empty")
	}
	for i := range len(name) {
		if !isToken(name[i]) && name[i] != ',' {
			return fmt.Errorf("%s is not a header name", quote(name))
		}
	}
	return nil
}

func (v *validator) stringMatch(m *networking.StringMatch, path string) {
	if p, ok := m.GetMatchType().(*networking.StringMatch_Prefix); ok && p.Prefix == "" {
		v.errorf(path+".prefix", "the prefix is empty")
		return
	}
	v.regexMatch(m, path)
}

func (v *validator) regexMatch(m *networking.StringMatch, path string) {
	if re, ok := m.GetMatchType().(*networking.StringMatch_Regex); ok {
		v.regex(re.Regex, path+".regex")
	}
}

// regex checks an expression as istiod does, with Go's engine, whose syntax is
// RE2's.
func (v *validator) regex(re, path string) {
	const most = 1024
	switch _, err := regexp.Compile(re); {
	case re == "":
		v.errorf(path, "the regex is empty")
	case len(re) > most:
		v.errorf(path, "the regex has %d characters, Istio allows %d", len(re), most)
	case err != nil:
		reason := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
		v.errorf(path, "%s (Envoy's regexes are RE2: no look-ahead, no back-references)", reason)
	}
}

// grpcStatuses are the names of gRPC's status codes.
const grpcStatuses = " OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED" +
	" RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED "

func (v *validator) fault(f *networking.HTTPFaultInjection, path string) {
	if f == nil {
		return
	}
	if f.Abort == nil && f.Delay == nil {
		v.errorf(path, "a fault needs abort or delay")
	}
	if a := f.Abort; a != nil {
		v.percentage(a.Percentage, path+".abort.percentage.value")
		switch e := a.ErrorType.(type) {
		case *networking.HTTPFaultInjection_Abort_HttpStatus:
			v.status(int64(e.HttpStatus), path+".abort.httpStatus")
		case *networking.HTTPFaultInjection_Abort_GrpcStatus:
			if e.GrpcStatus == "" || strings.Contains(e.GrpcStatus, " ") || !strings.Contains(grpcStatuses, " "+e.GrpcStatus+" ") {
				v.errorf(path+".abort.grpcStatus", "%s is none of%s", quote(e.GrpcStatus), grpcStatuses)
			}
		case *networking.HTTPFaultInjection_Abort_Http2Error:
			v.errorf(path+".abort.http2Error", "Istio does not support http2Error")
		}
	}
	if d := f.Delay; d != nil {
		v.percentage(d.Percentage, path+".delay.percentage.value")
		switch t := d.HttpDelayType.(type) {
		case *networking.HTTPFaultInjection_Delay_FixedDelay:
			v.check(path+".delay.fixedDelay", validDuration(t.FixedDelay))
		case *networking.HTTPFaultInjection_Delay_ExponentialDelay:
			v.errorf(path+".delay.exponentialDelay", "Istio does not support exponentialDelay")
		}
	}
}

func (v *validator) percentage(p *networking.Percent, path string) {
	if x := p.GetValue(); x < 0 || x > 100 || x > 0 && x < 0.0001 {
		v.errorf(path, "the percentage %v is neither 0 nor in 0.0001..100", x)
	}
}

// status accepts 600 as istiod does.
func (v *validator) status(status int64, path string) {
	if status < 200 || status > 600 {
		v.errorf(path, "the HTTP status %d is not in 200..599", status)
	}
}

func (v *validator) directResponse(d *networking.HTTPDirectResponse, path string) {
	if d == nil {
		return
	}
	const most = 1 << 20
	if n := max(len(d.Body.GetString_()), len(d.Body.GetBytes())); n > most {
		v.errorf(path+".body", "the body has %d bytes, at most %d are possible", n, most)
	}
	v.status(int64(int32(d.Status)), path+".status")
}

func (v *validator) mirrors(r *networking.HTTPRoute, path string) {
	if r.Mirror != nil {
		v.destination(r.Mirror, path+".mirror")
		if len(r.Mirrors) > 0 {
			v.errorf(path+".mirrors", "a route cannot have both mirror and mirrors")
		}
	}
	for i, m := range r.Mirrors {
		p := at(path+".mirrors", i)
		v.destination(m.Destination, p+".destination")
		v.mirrorPercentage(m.Percentage, p+".percentage.value")
	}
	v.mirrorPercentage(r.MirrorPercentage, path+".mirrorPercentage.value")
	//nolint:staticcheck // deprecated, and still in people's files
	if n := r.MirrorPercent.GetValue(); n > 100 {
		v.errorf(path+".mirrorPercent", "the percentage %d is above 100", n)
	}
}

func (v *validator) mirrorPercentage(p *networking.Percent, path string) {
	if x := p.GetValue(); x < 0 || x > 100 {
		v.errorf(path, "the percentage %v is not in 0..100", x)
	}
}

func (v *validator) redirect(route *networking.HTTPRoute, path string) {
	r := route.Redirect
	if r == nil {
		return
	}
	if r.Uri != "" && r.PrefixRewrite != "" {
		v.errorf(path+".prefixRewrite", "a redirect has uri or prefixRewrite, not both")
	}
	for _, m := range route.Match {
		if _, ok := m.GetUri().GetMatchType().(*networking.StringMatch_Prefix); r.PrefixRewrite != "" && m.GetUri() != nil && !ok {
			v.errorf(path+".prefixRewrite", "prefixRewrite replaces the prefix of a match, so every match of uri must be one of prefix")
			break
		}
	}
	if r.Uri == "" && r.PrefixRewrite == "" && r.Authority == "" && r.RedirectPort == nil && r.Scheme == "" {
		v.errorf(path, "a redirect needs one of uri, prefixRewrite, authority, scheme or port")
	}
	if r.RedirectCode != 0 && (r.RedirectCode < 300 || r.RedirectCode > 399) {
		v.errorf(path+".redirectCode", "%d is not a redirect status, which is 3xx", r.RedirectCode)
	}
	if r.Scheme != "" && r.Scheme != "http" && r.Scheme != "https" {
		v.errorf(path+".scheme", `the scheme is "http" or "https", not %q`, r.Scheme)
	}
	if r.GetPort() > 0 {
		v.check(path+".port", port(r.GetPort()))
	}
}

func (v *validator) rewrite(r *networking.HTTPRewrite, path string) {
	if r == nil {
		return
	}
	switch {
	case r.Uri != "" && r.UriRegexRewrite != nil:
		v.errorf(path, "a rewrite has uri or uriRegexRewrite, not both")
	case r.Uri == "" && r.UriRegexRewrite == nil && r.Authority == "":
		v.errorf(path, "a rewrite needs uri, uriRegexRewrite or authority")
	}
	if re := r.UriRegexRewrite; re != nil {
		if re.Rewrite == "" {
			v.errorf(path+".uriRegexRewrite", "uriRegexRewrite needs match and rewrite")
		}
		v.regex(re.Match, path+".uriRegexRewrite.match")
	}
}

// retryConditions are the words that Envoy takes in x-envoy-retry-on and
// x-envoy-retry-grpc-on.
const retryConditions = " 5xx gateway-error reset reset-before-request connect-failure retriable-4xx refused-stream" +
	" retriable-status-codes retriable-headers envoy-ratelimited http3-post-connect-failure" +
	" cancelled deadline-exceeded internal resource-exhausted unavailable "

func (v *validator) retries(r *networking.HTTPRetry, path string) {
	if r == nil {
		return
	}
	switch {
	case r.Attempts < 0:
		v.errorf(path+".attempts", "the number of attempts %d is negative", r.Attempts)
	case r.Attempts == 0 && (r.PerTryTimeout != nil || r.RetryOn != "" || r.RetryRemoteLocalities != nil):
		v.errorf(path, "retries are configured and attempts is 0, which disables them")
	}
	v.duration(r.PerTryTimeout, path+".perTryTimeout")
	v.duration(r.Backoff, path+".backoff")
	if r.RetryOn == "" {
		return
	}
	for _, word := range strings.Split(r.RetryOn, ",") {
		status, _ := strconv.Atoi(word)
		if http.StatusText(status) == "" && (word == "" || strings.Contains(word, " ") || !strings.Contains(retryConditions, " "+word+" ")) {
			v.errorf(path+".retryOn", "%q is not a retry condition or a status", word)
		}
	}
}
