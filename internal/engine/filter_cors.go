package engine

import (
	"strings"

	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// corsFilter is envoy.filters.http.cors. It answers preflights, and decorates
// the other answers to allowed origins; it never judges a method or a header,
// and it never adds Vary.
type corsFilter struct {
	slot  int
	stats *corsStats
}

// corsPolicy is what holds for one target: the policies of all levels, resolved
// field by field, the most specific level that sets a field winning.
type corsPolicy struct {
	enabled, shadow fraction
	origins         originMatch
	methods         []byte
	headers         []byte
	expose          []byte
	maxAge          []byte
	credentials     bool
	privateNetwork  bool
	forward         bool // preflights of other origins go to the service
	echoMethods     bool
	echoHeaders     bool
}

// resolveCORS merges the policies of the levels, the most specific first.
// filter_enabled and shadow_enabled are not inherited: the most specific policy
// decides, and without a value it is enabled.
func resolveCORS(levels []*corsv3.CorsPolicy, rt runtime) (*corsPolicy, error) {
	if len(levels) == 0 {
		return nil, nil
	}
	p := &corsPolicy{enabled: oneMillion, forward: true}
	if f := levels[0].GetFilterEnabled(); f != nil {
		p.enabled = rt.fraction(f)
	}
	if f := levels[0].GetShadowEnabled(); f != nil {
		p.shadow = rt.fraction(f)
	}
	p.methods = firstText(levels, (*corsv3.CorsPolicy).GetAllowMethods)
	p.headers = firstText(levels, (*corsv3.CorsPolicy).GetAllowHeaders)
	p.expose = firstText(levels, (*corsv3.CorsPolicy).GetExposeHeaders)
	p.maxAge = firstText(levels, (*corsv3.CorsPolicy).GetMaxAge)
	p.echoMethods = string(p.methods) == "*"
	p.echoHeaders = string(p.headers) == "*"
	p.credentials = firstBool(levels, (*corsv3.CorsPolicy).GetAllowCredentials, false)
	p.privateNetwork = firstBool(levels, (*corsv3.CorsPolicy).GetAllowPrivateNetworkAccess, false)
	p.forward = firstBool(levels, (*corsv3.CorsPolicy).GetForwardNotMatchingPreflights, true)
	for _, l := range levels {
		if len(l.GetAllowOriginStringMatch()) > 0 {
			var err error
			p.origins, err = compileOrigins(l.GetAllowOriginStringMatch())
			return p, err
		}
	}
	return p, nil
}

func firstText(levels []*corsv3.CorsPolicy, get func(*corsv3.CorsPolicy) string) []byte {
	for _, l := range levels {
		if v := get(l); v != "" {
			return []byte(v)
		}
	}
	return nil
}

func firstBool(levels []*corsv3.CorsPolicy, get func(*corsv3.CorsPolicy) *wrapperspb.BoolValue, unset bool) bool {
	for _, l := range levels {
		if v := get(l); v != nil {
			return v.GetValue()
		}
	}
	return unset
}

// Header names and values that the filter writes.
var (
	hAllowOrigin      = []byte("access-control-allow-origin")
	hAllowCredentials = []byte("access-control-allow-credentials")
	hAllowMethods     = []byte("access-control-allow-methods")
	hAllowHeaders     = []byte("access-control-allow-headers")
	hMaxAge           = []byte("access-control-max-age")
	hAllowPrivate     = []byte("access-control-allow-private-network")
	hExposeHeaders    = []byte("access-control-expose-headers")
	vTrue             = []byte("true")
)

func (f *corsFilter) request(s *stream) bool {
	if s.target == nil {
		return false // redirects and direct responses are none of its business
	}
	p, _ := s.target.settings[f.slot].(*corsPolicy)
	if p == nil {
		return false
	}
	enabled := p.enabled.draw()
	if !enabled && !p.shadow.draw() {
		return false
	}
	origin, _ := s.req.Headers.Get("origin")
	if len(origin) == 0 {
		return false
	}
	method, _ := s.req.Headers.Get("access-control-request-method")
	preflight := len(method) > 0 && string(s.req.Method) == "OPTIONS"
	if !p.origins.match(origin) {
		f.stats.Invalid.Inc()
		if !enabled || !preflight || p.forward {
			return false
		}
		f.preflight(s, p, nil, method)
		return true
	}
	f.stats.Valid.Inc()
	if !enabled {
		return false
	}
	if preflight {
		f.preflight(s, p, origin, method)
		return true
	}
	s.corsPolicy, s.corsOrigin = p, origin
	return false
}

// preflight answers in the order of Envoy's headers. Without an origin the
// answer lacks what names one.
func (f *corsFilter) preflight(s *stream, p *corsPolicy, origin, method []byte) {
	h := s.beginReply(200, "cors_response")
	if origin != nil {
		h.Add(hAllowOrigin, origin)
	}
	if p.credentials {
		h.Add(hAllowCredentials, vTrue)
	}
	switch {
	case p.echoMethods:
		h.Add(hAllowMethods, method)
	case len(p.methods) > 0:
		h.Add(hAllowMethods, p.methods)
	}
	switch {
	case p.echoHeaders:
		asked, _ := s.req.Headers.Get("access-control-request-headers")
		h.Add(hAllowHeaders, asked)
	case len(p.headers) > 0:
		h.Add(hAllowHeaders, p.headers)
	}
	if len(p.maxAge) > 0 {
		h.Add(hMaxAge, p.maxAge)
	}
	if p.privateNetwork {
		if v, _ := s.req.Headers.Get("access-control-request-private-network"); string(v) == "true" {
			h.Add(hAllowPrivate, vTrue)
		}
	}
	if origin != nil && len(p.expose) > 0 {
		h.Add(hExposeHeaders, p.expose)
	}
}

func (f *corsFilter) response(s *stream) {
	p := s.corsPolicy
	if p == nil {
		return
	}
	h := &s.resp.Headers
	h.Set(hAllowOrigin, s.corsOrigin)
	if p.credentials {
		h.Set(hAllowCredentials, vTrue)
	}
	if len(p.expose) > 0 {
		h.Set(hExposeHeaders, p.expose)
	}
}

// hasControl reports whether a policy's text could end a header line. Envoy
// writes such values to the wire as they are; here they are refused at load.
func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}
