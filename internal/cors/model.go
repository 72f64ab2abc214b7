package cors

import (
	"slices"
	"strings"

	"github.com/crossgate/crossgate/internal/origin"
)

// Policy is what a route allows to pages of other origins. The lists are texts, as
// they are sent.
type Policy struct {
	Origins []origin.Pattern
	// Methods and Headers may be "*" for all. No methods are GET, HEAD and POST.
	Methods, Headers string
	Expose, MaxAge   string
	Credentials      bool
	// Forward: the user wants preflights that are not allowed passed on.
	Forward bool
	// Ignore: preflights of other origins are answered here where they are not
	// refused (forward_not_matching_preflights is false).
	Ignore bool
}

// Condition is one on a header, or on ":method".
type Condition struct {
	Name   string
	Value  *origin.Pattern // nil: the header has to be there
	Invert bool
}

// Action is what becomes of a request on a route.
type Action uint8

// The actions.
const (
	ToService Action = iota
	Redirect
	DirectResponse
)

// Route is one of a host's routes; the first that matches counts.
type Route struct {
	Path       origin.Pattern
	Conditions []Condition
	Policy     *Policy // nil: none
	Settings   Settings
	Action     Action
	Status     int // of an answer of the gateway's own
}

// Host is a virtual host of the profile hardened.
type Host struct {
	// Name is its domain; empty for a wildcard.
	Name   string
	Routes []Route
}

// Request is what a client sends. Header names are in lower case, and lines of one
// name are joined with a comma.
type Request struct {
	Method, Path string
	Headers      map[string]string
}

func (r Request) origin() string    { return r.Headers["origin"] }
func (r Request) requested() string { return r.Headers["access-control-request-method"] }

// Preflight reports whether the request asks for permission (Fetch, section 3.3.2).
func (r Request) Preflight() bool {
	return r.Method == "OPTIONS" && r.origin() != "" && r.requested() != ""
}

// Answer is what the gateway does with a request.
type Answer struct {
	// Status of an answer of the gateway's own; 0 for what the service says.
	Status int
	// Reason is why it was refused: origin, method, headers or block; or empty.
	Reason string
	// The CORS headers that the gateway adds.
	AllowOrigin, AllowMethods, AllowHeaders, MaxAge, Expose string
	Credentials                                             bool
	// Vary: Origin is added to Vary.
	Vary bool
	// Strip: CORS headers of the service do not pass.
	Strip bool
}

// Answer answers a request.
func (h *Host) Answer(r Request) Answer {
	for i := range h.Routes {
		route := &h.Routes[i]
		announced, itself := route.takes(r)
		if announced || itself {
			return h.on(route, r, announced)
		}
	}
	if rest := h.notFound(); rest != nil {
		announced, _ := rest.takes(r)
		return h.on(rest, r, announced)
	}
	return Answer{Status: 404}
}

// takes reports whether the route is for the request that a preflight announces, and
// whether it is for the request itself.
func (route *Route) takes(r Request) (announced, itself bool) {
	if !route.Path.Match(strings.SplitN(r.Path, "?", 2)[0]) {
		return false, false
	}
	announced, itself = route.Policy != nil && r.Preflight(), true
	for _, c := range route.Conditions {
		itself = itself && c.holds(r)
		announced = announced && (route.Settings.Has(AnnouncedRoute) && c.announced(r) || !route.Settings.Has(AnnouncedRoute) && c.holds(r))
	}
	return announced, itself
}

func (c Condition) holds(r Request) bool {
	value, there := r.Headers[c.Name], true
	if c.Name == ":method" {
		value = r.Method
	} else {
		_, there = r.Headers[c.Name]
	}
	if c.Value == nil {
		return there != c.Invert
	}
	if !there && !c.Invert {
		return false
	}
	return c.Value.Match(value) != c.Invert
}

// announced reports whether the condition holds for the request that a preflight
// announces, as far as a preflight tells: methods, and names of headers.
func (c Condition) announced(r Request) bool {
	if c.Name == ":method" {
		return c.Value.Match(r.requested()) != c.Invert
	}
	names := strings.FieldsFunc(r.Headers["access-control-request-headers"], func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
	there := slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, c.Name) })
	return there != c.Invert
}

// on answers a request on a route.
func (h *Host) on(route *Route, r Request, announced bool) Answer {
	p, s := route.Policy, route.Settings
	if p == nil {
		return Answer{Status: route.Status}
	}
	a := Answer{Vary: s.Has(Vary)}
	if !p.safe(s) {
		if announced && s.Level != Headers && s.Has(RefusePreflights) && !p.Forward {
			a.Status, a.Reason = 403, "origin"
			return a
		}
		a.Status, a.Strip = route.Status, s.Has(StripUpstream) && route.Action == ToService
		return a
	}
	allowed := p.allows(r.origin(), s)
	if route.Action != ToService {
		allowed = p.allows(r.origin(), Settings{}) // no filter of Envoy's judges there
	}
	if r.Preflight() && s.Level != Headers && s.Has(RefusePreflights) && !p.Forward {
		if a.Reason = p.refuses(r); a.Reason != "" {
			a.Status = 403
			return a
		}
	}
	if s.Level == Block && !announced && r.origin() != "" && !p.allows(r.origin(), Settings{}) && h.foreign(r) {
		a.Status, a.Reason = 403, "block"
		return a
	}
	return p.answer(a, route, r, allowed, announced)
}

// foreign reports whether a page of another origin than the host sent the request.
func (h *Host) foreign(r Request) bool {
	site := r.Headers["sec-fetch-site"]
	if site == "same-origin" || site == "none" {
		return false
	}
	scheme, host, _ := strings.Cut(r.origin(), "://")
	name, port, _ := strings.Cut(host, ":")
	own := (scheme == "http" || scheme == "https") && h.Name != "" && name == strings.ToLower(h.Name)
	for _, c := range port {
		own = own && '0' <= c && c <= '9'
	}
	if strings.HasSuffix(host, ":") {
		own = false
	}
	return !own
}

// answer adds what Envoy's CORS filter, or the route itself, says to an origin.
func (p *Policy) answer(a Answer, route *Route, r Request, allowed, announced bool) Answer {
	s := route.Settings
	own := route.Action != ToService
	if own && !s.Has(ErrorHeaders) {
		a.Status = route.Status
		return a // the filter leaves such routes alone
	}
	if r.Preflight() && (announced || !own) && (allowed || p.Ignore && !own && !p.literal(s)) {
		return p.preflight(a, r, allowed)
	}
	a.Status = route.Status
	a.Strip = s.Has(StripUpstream) && !own
	if allowed && r.origin() != "" {
		a.AllowOrigin, a.Credentials, a.Expose = r.origin(), p.Credentials, p.Expose
	}
	return a
}

func (p *Policy) preflight(a Answer, r Request, allowed bool) Answer {
	a.Status = 200
	a.Credentials, a.AllowMethods, a.AllowHeaders, a.MaxAge = p.Credentials, p.Methods, p.Headers, p.MaxAge
	if p.Methods == "*" {
		a.AllowMethods = r.requested()
	}
	if p.Headers == "*" {
		a.AllowHeaders = r.Headers["access-control-request-headers"]
	}
	if allowed {
		a.AllowOrigin, a.Expose = r.origin(), p.Expose
	}
	return a
}

// allows reports whether the policy allows an origin.
func (p *Policy) allows(o string, s Settings) bool {
	return slices.ContainsFunc(p.Origins, func(m origin.Pattern) bool {
		return m.Any() || m.Match(o) || m.Star() && !s.Has(LiteralStar)
	})
}

// literal: a pattern matches "*" and is not taken for every origin.
func (p *Policy) literal(s Settings) bool {
	any := slices.ContainsFunc(p.Origins, origin.Pattern.Any)
	return !any && slices.ContainsFunc(p.Origins, origin.Pattern.Star) && s.Has(LiteralStar)
}

// refuses returns the first reason not to allow a preflight; empty for none.
func (p *Policy) refuses(r Request) string {
	if !p.allows(r.origin(), Settings{}) {
		return "origin"
	}
	methods, all := p.items(p.Methods)
	if len(methods) == 0 {
		methods = []string{"GET", "HEAD", "POST"}
	}
	if !all && !slices.Contains(methods, r.requested()) {
		return "method"
	}
	headers, all := p.items(p.Headers)
	if all {
		return ""
	}
	for name := range strings.SplitSeq(r.Headers["access-control-request-headers"], ",") {
		name = strings.Trim(name, " \t")
		if name != "" && !slices.ContainsFunc(headers, func(h string) bool { return strings.EqualFold(h, name) }) {
			return "headers"
		}
	}
	return ""
}

// items splits a list. "*" among others is all, too, unless credentials make it a
// name like any other (Fetch, section 3.3.3).
func (p *Policy) items(list string) (items []string, all bool) {
	for item := range strings.SplitSeq(list, ",") {
		switch item = strings.Trim(item, " \t"); item {
		case "":
		case "*":
			all = all || list == "*" || !p.Credentials
		default:
			items = append(items, item)
		}
	}
	return items, all
}

// safe reports whether the policy can be enforced: credentials are not for everybody.
func (p *Policy) safe(s Settings) bool {
	return !p.Credentials || !s.Has(WideCredentials) ||
		origin.Covers("https", p.Origins) == origin.Some && origin.Covers("http", p.Origins) == origin.Some
}
