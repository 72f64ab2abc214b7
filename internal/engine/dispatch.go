package engine

import (
	"bytes"
	"strconv"

	"github.com/crossgate/crossgate/internal/header"
)

// dispatch takes a prepared request to an answer, more than once if the service
// redirects it and the route follows.
func (s *stream) dispatch() {
	s.routeOnce()
	s.followOn()
}

// resume takes a request further that has stopped at its stage.
func (s *stream) resume() {
	if s.stage == stageFilters {
		s.pass()
	} else {
		s.proxy()
	}
	s.followOn()
}

// followOn routes a request anew that has become another one.
func (s *stream) followOn() {
	for s.rerun {
		s.rerun = false
		s.up.restart()
		s.resp.Reset()
		s.routeOnce()
	}
}

// routeOnce finds the route of the request and passes it on, or answers it.
func (s *stream) routeOnce() {
	if !s.protoless {
		s.vhost = s.manager.routes.hosts.find(s.lowerHost())
	}
	if s.vhost != nil {
		s.findRoute()
	}
	if s.requireTLS() {
		s.manager.stats.RouterTotal.Inc()
		s.manager.stats.RouterSent.Inc()
		return
	}
	if s.hasty && s.mayPause() {
		s.stage = stageFilters
		return
	}
	s.pass()
}

// pass takes the request through the filters to the service, or answers it.
func (s *stream) pass() {
	if s.route == nil {
		if s.filter() {
			return
		}
		s.flags |= flagNoRoute
		s.manager.stats.RouterTotal.Inc()
		s.manager.stats.NoRoute.Inc()
		s.localReply(404, "route_not_found", nil)
		if string(s.req.Method) == "CONNECT" {
			s.closing = true
		}
		return
	}
	s.decorate()
	if s.upgraded && !s.mayUpgrade() {
		s.manager.stats.RqNoUpgrade.Inc()
		s.manager.stats.RqReset.Inc()
		h := s.beginReply(403, "upgrade_failed")
		s.mutateReply(h)
		s.describe(h, nil)
		s.closing, s.upgraded = true, false
		return
	}
	s.countUpgrade()
	if s.filter() {
		return
	}
	s.manager.stats.RouterTotal.Inc()
	switch {
	case s.route.redirect != nil:
		s.manager.stats.RouterSent.Inc()
		s.redirect()
	case s.route.direct != nil:
		s.manager.stats.RouterSent.Inc()
		s.direct()
	case s.hasty:
		s.stage = stageProxy
	default:
		s.proxy()
	}
}

// mayPause reports whether one of the filters may have to wait for something.
func (s *stream) mayPause() bool {
	for _, f := range s.manager.filters {
		if p, ok := f.(pauser); ok && p.mayPause(s) {
			return true
		}
	}
	return false
}

// filter takes the request through the filters and reports whether one of them has
// answered it.
func (s *stream) filter() bool {
	for _, f := range s.manager.filters {
		if f.request(s) {
			return true
		}
	}
	return false
}

var hDecorator = []byte("x-envoy-decorator-operation")

// decorate tells the service the route's operation name, as Envoy does on
// outbound listeners whose manager has tracing, be it without a provider.
func (s *stream) decorate() {
	if s.manager.egressTracing && len(s.route.operation) > 0 {
		s.req.Headers.Set(hDecorator, s.route.operation)
	}
}

// lowerHost is the authority in lower case, for the look-up of its virtual host.
func (s *stream) lowerHost() []byte {
	for i, c := range s.authority {
		if 'A' <= c && c <= 'Z' {
			low := s.arena.Copy(s.authority)
			lower(low[i:])
			return low
		}
	}
	return s.authority
}

// findRoute takes the first route that matches, in the order of the
// configuration.
func (s *stream) findRoute() {
	list := s.vhost.others
	if string(s.req.Method) == "OPTIONS" {
		list = s.vhost.routes
	}
	if r := list.find(s); r != nil {
		s.route, s.target = r, r.choose(s)
	}
	s.misses()
}

// requireTLS redirects a request to a virtual host that wants TLS.
func (s *stream) requireTLS() bool {
	if s.vhost == nil || !s.vhost.requireTLS || string(s.scheme) == "https" {
		return false
	}
	h := s.beginReply(301, "require_tls")
	b := append(s.arena.Start(), "https://"...)
	b = append(b, s.authority...)
	h.Add(hLocation, s.arena.Done(append(b, s.path...)))
	s.describe(h, nil)
	return true
}

// mayUpgrade reports whether the route lets the connection become a tunnel.
func (s *stream) mayUpgrade() bool {
	if !equalFoldText(s.req.Upgrade, "websocket") || s.target == nil {
		return false
	}
	switch s.route.websocket {
	case upgradeOn:
		return true
	case upgradeOff:
		return false
	}
	return s.manager.websocket
}

// Settings of a route for upgrades.
const (
	upgradeInherit int8 = iota
	upgradeOn
	upgradeOff
)

// choose picks the cluster of a request: the one there is, one by weight, or the
// one that a header names.
func (r *route) choose(s *stream) *target {
	switch {
	case len(r.targets) == 0:
		return nil
	case r.clusterHeader != "":
		return r.named(s)
	case len(r.targets) == 1:
		return r.targets[0]
	}
	n := randomBelow(r.total)
	for _, t := range r.targets {
		if n < t.weight {
			return t
		}
		n -= t.weight
	}
	return r.targets[len(r.targets)-1]
}

// named is the target that cluster_header names: the route's own settings with
// another cluster.
func (r *route) named(s *stream) *target {
	t := *r.targets[0]
	name, _ := s.req.Headers.Get(r.clusterHeader)
	t.name = string(name)
	t.cluster = s.prog.clusters.Cluster(t.name)
	t.altName = s.prog.altNames[t.name]
	t.metrics = &requestMetrics{}
	return &t
}

// mutateReply is mutateResponse for an answer of the proxy's own, whose status
// operators do not see yet.
func (s *stream) mutateReply(h *header.List) {
	s.unanswered = true
	s.mutateResponse(h)
	s.unanswered = false
}

// mutateResponse applies the header mutations of the route's levels.
func (s *stream) mutateResponse(h *header.List) {
	if s.route == nil {
		return
	}
	if s.target != nil {
		for _, m := range s.target.response {
			m.apply(s, h)
		}
		return
	}
	for _, m := range s.route.response {
		m.apply(s, h)
	}
}

// setting returns what the route configures for the filter in the slot.
func (s *stream) setting(slot int) any {
	switch {
	case s.target != nil:
		return s.target.settings[slot]
	case s.route == nil:
		return nil
	}
	return s.route.settings[slot]
}

// disabled reports whether the route switches the filter in the slot off.
func (s *stream) disabled(slot int) bool {
	if s.route == nil {
		return false
	}
	_, off := s.setting(slot).(disabledFilter)
	return off
}

// directResponse is an answer that the configuration holds.
type directResponse struct {
	status int
	body   []byte
}

func (s *stream) direct() {
	d := s.route.direct
	h := s.beginReply(d.status, "direct_response")
	if d.status == 201 || d.status/100 == 3 {
		// Envoy names the place also where the configuration does not: the
		// request's own URL (its router filter).
		h.Add(hLocation, s.location(&redirect{}))
	}
	s.mutateReply(h)
	s.describe(h, d.body)
}

// redirect is a compiled RedirectAction.
type redirect struct {
	status     int
	https      bool
	scheme     string
	host       string
	port       uint32
	path       []byte // path_redirect
	rewrite    pathRewrite
	stripQuery bool
}

// redirect answers with the place to go to: the request's own URL with what the
// action replaces.
func (s *stream) redirect() {
	r := s.route.redirect
	s.rewritePath(&r.rewrite)
	location := s.location(r)
	h := s.beginReply(r.status, "direct_response")
	h.Add(hLocation, location)
	s.mutateReply(h)
	s.describe(h, nil)
}

// location is the URL of the request with what the action replaces.
func (s *stream) location(r *redirect) []byte {
	b := s.arena.Start()
	scheme := s.scheme
	switch {
	case r.https:
		scheme = schemeHTTPS
	case r.scheme != "":
		scheme = []byte(r.scheme)
	}
	b = append(b, scheme...)
	b = append(b, "://"...)
	b = s.appendRedirectHost(b, r, scheme)
	path, query, hasQuery := bytes.Cut(s.path, []byte("?"))
	if r.path != nil {
		path = r.path
		if bytes.IndexByte(path, '?') >= 0 {
			hasQuery = false
		}
	}
	if len(path) == 0 || path[0] != '/' {
		b = append(b, '/')
	}
	b = append(b, path...)
	if hasQuery && !r.stripQuery {
		b = append(append(b, '?'), query...)
	}
	return s.arena.Done(b)
}

func (s *stream) appendRedirectHost(b []byte, r *redirect, scheme []byte) []byte {
	host := s.authority
	if r.host != "" {
		host = []byte(r.host)
	}
	if r.port == 0 {
		// The port of the other scheme would be wrong for this one.
		if r.host == "" && (r.https || r.scheme != "") {
			bare := withoutPort(host)
			port := string(host[len(bare):])
			proto, _ := s.req.Headers.Get("x-forwarded-proto")
			if !bytes.Equal(proto, scheme) && (port == ":80" && string(proto) == "http" || port == ":443" && string(proto) == "https") {
				host = bare
			}
		}
		return append(b, host...)
	}
	if r.host == "" {
		host = withoutPort(host)
	}
	b = append(b, host...)
	return strconv.AppendUint(append(b, ':'), uint64(r.port), 10)
}
