package engine

import "slices"

// Trace tells what was decided about one request. It goes by names and indexes, so that the reader finds in the snapshot what a
// decision was made of.
type Trace struct {
	// Listener and Chain are the names of the listener and of its filter chain.
	Listener, Chain string
	// RouteConfig and VirtualHost are names; VirtualHost is empty if no domain matches the authority.
	RouteConfig, VirtualHost string
	// Route is the index of the route in its virtual host, -1 if there is none.
	Route int
	// Missed are the routes that were asked before, in their order.
	Missed []Miss
	// Cluster is where the request goes, or would have gone; empty for a redirect, a direct response and without a route.
	Cluster string
	// HTTP2 tells that services of that cluster are spoken to in HTTP/2 without being asked.
	HTTP2 bool
	// Host is the address that was tried last, empty if the gateway answered by itself.
	Host string
	// Status, Details and Flags are those of the access log.
	Status         int
	Details, Flags string
	// Local tells that the answer is the gateway's own.
	Local bool
}

// Miss is a route that does not match.
type Miss struct {
	Route int
	Why   Criterion
	// Name is that of the header, the query parameter or the cookie that Why speaks of.
	Name string
	// There tells that the request has one of that name.
	There bool
}

// Criterion is what a route may ask of a request.
type Criterion string

// The criteria, in the order in which they are looked at.
const (
	ByPath     Criterion = "path"
	ByHeader   Criterion = "header"
	ByQuery    Criterion = "query parameter"
	ByCookie   Criterion = "cookie"
	ByGRPC     Criterion = "gRPC"
	ByFraction Criterion = "fraction"
)

// trace hands the trace of a request that has ended to Options.Trace.
func (s *stream) trace() {
	report := s.peer.engine.opts.Trace
	if report == nil {
		return
	}
	t := Trace{
		Listener: s.manager.listener, Chain: s.manager.chain, RouteConfig: s.manager.routes.name, Route: -1,
		Host: string(s.upstreamTried), Status: s.status, Details: s.details, Flags: s.flags.String(), Local: s.replied,
	}
	if s.vhost != nil {
		t.VirtualHost = s.vhost.name
		t.Route, t.Missed = s.routeIndex(), s.missed
	}
	if s.target != nil {
		t.Cluster = s.target.name
		t.HTTP2 = s.target.cluster != nil && s.target.cluster.HTTP2
	}
	report(&t)
}

// routeIndex is where the route stands in its virtual host, or -1.
func (s *stream) routeIndex() int {
	if s.route == nil {
		return -1
	}
	return slices.IndexFunc(s.vhost.routes.entries, func(e listedRoute) bool { return e.route == s.route })
}

// misses notes why the routes before the one that was found do not match. It has to know the request as it was for them: header
// mutations and rewrites come later.
func (s *stream) misses() {
	if s.peer.engine.opts.Trace == nil {
		return
	}
	s.missed = nil
	for i, e := range s.vhost.routes.entries {
		if e.route == s.route {
			return
		}
		s.missed = append(s.missed, e.route.match.miss(s, i))
	}
}

// miss tells why the route at an index does not match, looking at the same things in the same order as routeList.find.
func (m *routeMatch) miss(s *stream, route int) Miss {
	if !m.matchesPath(s.pathOnly()) {
		return Miss{Route: route, Why: ByPath}
	}
	for i := range m.headers {
		if h := &m.headers[i]; !h.matches(s) {
			there := h.name[0] == ':' || s.req.Headers.Has(h.name)
			return Miss{Route: route, Why: ByHeader, Name: h.name, There: there}
		}
	}
	for i := range m.none {
		if !m.none[i].matches(s) {
			return Miss{Route: route, Why: ByHeader, Name: m.none[i].name, There: true}
		}
	}
	for i := range m.queries {
		if !m.queries[i].matches(s.query()) {
			return Miss{Route: route, Why: ByQuery, Name: m.queries[i].name}
		}
	}
	for i := range m.cookies {
		if !m.cookies[i].matches(&s.req.Headers) {
			return Miss{Route: route, Why: ByCookie, Name: m.cookies[i].name}
		}
	}
	if m.grpc && !isGRPC(&s.req.Headers) {
		return Miss{Route: route, Why: ByGRPC}
	}
	return Miss{Route: route, Why: ByFraction}
}
