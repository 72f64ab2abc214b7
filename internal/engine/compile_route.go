package engine

import (
	"errors"
	"fmt"
	"os"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/crossgate/crossgate/internal/xds"
)

// Envoy's defaults (route_components.proto).
const (
	defaultRouteTimeout = 15 * time.Second
	defaultMaxDirect    = 4 << 10
)

// attachRoutes finds and compiles the manager's route configuration. Managers
// that name the same one share it.
func (c *compiler) attachRoutes(m *manager, h *hcmv3.HttpConnectionManager) error {
	rc := h.GetRouteConfig()
	if rds := h.GetRds(); rds != nil {
		name := rds.GetRouteConfigName()
		rc = c.routes[name]
		if t := c.tables[name]; t != nil {
			m.routes = t
			return nil
		}
		if rc == nil {
			return fmt.Errorf("rds: there is no route configuration %q", name)
		}
	}
	if rc == nil {
		return errors.New("no route configuration")
	}
	t, err := c.compileTable(rc)
	if err != nil {
		return prefixed("route configuration "+rc.GetName(), err)
	}
	m.routes = t
	if h.GetRds() != nil {
		c.tables[rc.GetName()] = t
	} else {
		t.forget()
	}
	return nil
}

// forget lets go of the messages: those that a listener carries are others each time.
func (t *routeTable) forget() {
	t.source = nil
	for _, v := range t.hosts.hosts {
		if v != nil {
			v.source = nil
		}
	}
}

func (c *compiler) compileTable(rc *routev3.RouteConfiguration) (*routeTable, error) {
	if t := c.keepTable(rc); t != nil {
		return t, nil
	}
	if err := unsupported(rc); err != nil {
		return nil, err
	}
	t := &routeTable{name: rc.GetName(), maxDirect: defaultMaxDirect, source: rc, sound: true}
	t.hosts.ignorePort = rc.GetIgnorePortInHostMatching()
	if n := rc.GetMaxDirectResponseBodySizeBytes(); n != nil {
		t.maxDirect = int(n.GetValue())
	}
	before := c.earlierTable(rc)
	if before != nil {
		t.level = before.level
	} else {
		var err error
		if t.level, err = levelOf(rc); err != nil {
			return nil, err
		}
		t.level.mirrors, t.level.id = rc.GetRequestMirrorPolicies(), new(levelID)
	}
	c.compileHosts(t, before)
	return t, nil
}

// compileHosts compiles the virtual hosts of a table; before is the one that they may be
// taken over from, or nil.
func (c *compiler) compileHosts(t, before *routeTable) {
	list := t.source.GetVirtualHosts()
	kept := keptHosts{of: before, now: len(list)}
	t.hosts.hosts = make([]*virtualHost, len(list))
	for i, vh := range list {
		c.breathe(costOfKept)
		old := kept.at(i, vh)
		v := c.keepHost(old, vh)
		if v == nil {
			var err error
			if v, err = c.compileHost(vh, t, old); err != nil {
				c.refuseHost(t, vh, err)
				continue
			}
		}
		t.hosts.hosts[i] = v
	}
	if t.sound && before.sameNames(t.source) {
		t.hosts.names = before.hosts.names
		return
	}
	t.hosts.names = &hostNames{exact: make(map[string]hostPlace, 2*len(list))}
	for i, vh := range list {
		c.breathe(costOfName * len(vh.GetDomains()))
		if t.hosts.hosts[i] == nil {
			continue
		}
		var err error
		for _, d := range vh.GetDomains() {
			err = errors.Join(err, t.hosts.names.add(d, i))
		}
		if err != nil {
			c.refuseHost(t, vh, err)
		}
	}
}

func (c *compiler) refuseHost(t *routeTable, vh *routev3.VirtualHost, err error) {
	t.sound = false
	c.report(xds.VirtualHostKey(t.name, vh.GetName()), fmt.Sprintf("virtual host %s of %s", vh.GetName(), t.name), err)
}

// compileHost compiles a virtual host; before is what there was for it, or nil.
func (c *compiler) compileHost(vh *routev3.VirtualHost, t *routeTable, before *virtualHost) (*virtualHost, error) {
	if err := unsupported(vh); err != nil {
		return nil, err
	}
	v := &virtualHost{
		name:               vh.GetName(),
		requireTLS:         vh.GetRequireTls() != routev3.VirtualHost_NONE,
		attemptCount:       vh.GetIncludeRequestAttemptCount(),
		attemptCountAnswer: vh.GetIncludeAttemptCountInResponse(),
		metadata:           vh.GetMetadata(),
		source:             vh,
		sound:              true,
	}
	if before != nil && equalBut(before.source, vh, "routes", "domains") {
		v.level = before.level
	} else {
		before = nil
		var err error
		if v.level, err = levelOf(vh); err != nil {
			return nil, err
		}
		v.level.legacyCORS = vh.GetCors() //nolint:staticcheck // deprecated and still in force.
		v.level.mirrors, v.level.id = vh.GetRequestMirrorPolicies(), new(levelID)
	}
	if err := c.compileRoutes(v, t, before); err != nil {
		return nil, err
	}
	return v, nil
}

// compileRoutes compiles the routes of a virtual host, as far as they cannot be taken
// over from before.
func (c *compiler) compileRoutes(v *virtualHost, t *routeTable, before *virtualHost) error {
	list := v.source.GetRoutes()
	kept := c.keepRoutes(before, list)
	counted := map[*verdictStats]bool{}
	all := make([]*route, len(list))
	var others []*route // nil: all of them so far
	for i := range list {
		r := kept.at(i)
		if r != nil && kept.whole && before.others == before.routes && others == nil {
			// There is nothing to be seen of it, and to look takes time.
			all[i] = r
			c.breathe(costOfKept)
			continue
		}
		switch {
		case r != nil && !r.again:
			r = c.rebind(r)
		default:
			if r = c.compileRouteOrBlock(i, v, t); r == nil {
				// Even what it matches is unknown: nothing behind it may
				// answer in its place.
				return fmt.Errorf("routes[%d] cannot be matched: the virtual host is not served", i)
			}
			c.breathe(costOfMade)
		}
		all[i] = r
		v.add(r, counted)
		if r.match.onlyOptions && others == nil {
			others = append(make([]*route, 0, len(list)), all[:i]...)
		} else if others != nil && !r.match.onlyOptions {
			others = append(others, r)
		}
	}
	c.count(v.verdicts)
	if before == nil {
		before = &virtualHost{}
	}
	v.routes = before.routes.with(all)
	v.others = v.routes
	if others != nil {
		v.others = before.others.with(others)
	}
	return nil
}

// add notes what the next program has to know of a route.
func (v *virtualHost) add(r *route, counted map[*verdictStats]bool) {
	v.sound = v.sound && !r.again
	if r.verdict != nil && !counted[r.verdict.stats] {
		counted[r.verdict.stats] = true
		v.verdicts = append(v.verdicts, r.verdict)
	}
}

// compileRouteOrBlock returns nil for a route of which not even the match is understood.
func (c *compiler) compileRouteOrBlock(i int, v *virtualHost, t *routeTable) *route {
	r := v.source.GetRoutes()[i]
	built, err := c.compileRoute(r, v.source, []level{v.level, t.level}, t)
	if err == nil {
		return built
	}
	c.report(xds.RouteKey(t.name, v.name, i), fmt.Sprintf("route %d (%s) of virtual host %s", i, r.GetName(), v.name), err)
	return c.blocked(r)
}

// blocked stands for a route that cannot be run: what it matches is answered 503.
func (c *compiler) blocked(r *routev3.Route) *route {
	m, err := compileMatch(r.GetMatch(), c.runtime)
	if err != nil || unsupported(r.GetMatch()) != nil {
		return nil
	}
	return &route{name: r.GetName(), match: m, direct: &directResponse{status: 503}, settings: make([]any, len(c.slots)), again: true}
}

func (c *compiler) compileRoute(r *routev3.Route, vh *routev3.VirtualHost, outer []level, t *routeTable) (*route, error) {
	if err := unsupported(r); err != nil {
		return nil, err
	}
	match, err := compileMatch(r.GetMatch(), c.runtime)
	if err != nil {
		return nil, err
	}
	own, err := levelOf(r)
	if err != nil {
		return nil, err
	}
	own.legacyCORS = r.GetRoute().GetCors() //nolint:staticcheck // deprecated and still in force.
	own.mirrors = r.GetRoute().GetRequestMirrorPolicies()
	levels := append([]level{own}, outer...)
	out := &route{name: r.GetName(), match: match, response: responseMutations(levels), verdict: c.verdictOf(r), metadata: r.GetMetadata()}
	if out.settings, err = c.settings(levels); err != nil {
		return nil, err
	}
	if d := r.GetDecorator(); boolOr(d.GetPropagate(), true) {
		if hasControl(d.GetOperation()) {
			return nil, errors.New("decorator.operation: control characters")
		}
		out.operation = []byte(d.GetOperation())
	}
	switch a := r.GetAction().(type) {
	case *routev3.Route_Route:
		return out, c.compileAction(out, a.Route, vh, levels)
	case *routev3.Route_Redirect:
		if match.kind == pathTemplate && a.Redirect.GetPrefixRewrite() != "" {
			return nil, errors.New("redirect.prefix_rewrite with a path_match_policy") // refused by Envoy, too
		}
		out.redirect, err = compileRedirect(a.Redirect)
		return out, err
	case *routev3.Route_DirectResponse:
		out.direct, err = compileDirect(a.DirectResponse, t.maxDirect)
		// The file may have another content the next time, the variable another value.
		b := a.DirectResponse.GetBody()
		out.again = b.GetFilename() != "" || b.GetEnvironmentVariable() != ""
		return out, err
	}
	return nil, fmt.Errorf("action %T is not supported", r.GetAction())
}

func (c *compiler) compileAction(out *route, a *routev3.RouteAction, vh *routev3.VirtualHost, levels []level) error {
	out.timeout, out.idleTimeout, out.notFound = defaultRouteTimeout, -1, 503
	if d := a.GetTimeout(); d != nil {
		out.timeout = d.AsDuration()
	}
	if d := a.GetIdleTimeout(); d != nil {
		out.idleTimeout = d.AsDuration()
	}
	switch a.GetClusterNotFoundResponseCode() {
	case routev3.RouteAction_NOT_FOUND:
		out.notFound = 404
	case routev3.RouteAction_INTERNAL_SERVER_ERROR:
		out.notFound = 500
	}
	policy := a.GetRetryPolicy()
	if policy == nil {
		policy = vh.GetRetryPolicy()
	}
	var err error
	if out.retry, err = compileRetry(policy); err != nil {
		return prefixed("retry_policy", err)
	}
	// A try that may take as long as all of them has no limit of its own
	// (FilterUtility::finalTimeout of Envoy's router).
	if r := out.retry; r != nil && out.timeout > 0 && r.perTry >= out.timeout {
		r.perTry = 0
	}
	if out.internal, err = compileInternalRedirect(a.GetInternalRedirectPolicy()); err != nil {
		return err
	}
	for i, u := range a.GetUpgradeConfigs() {
		if u.GetUpgradeType() != "websocket" || u.GetConnectConfig() != nil {
			return fmt.Errorf("upgrade_configs[%d]: only websocket is supported", i)
		}
		out.websocket = upgradeOff
		if boolOr(u.GetEnabled(), true) {
			out.websocket = upgradeOn
		}
	}
	if out.match.kind == pathTemplate && a.GetPrefixRewrite() != "" {
		return errors.New("prefix_rewrite with a path_match_policy") // refused by Envoy, too
	}
	if err := compileRewrites(out, a); err != nil {
		return err
	}
	if err := c.compileMirrors(out, levels); err != nil {
		return err
	}
	return c.compileTargets(out, a, levels)
}

func compileRewrites(out *route, a *routev3.RouteAction) error {
	if p := a.GetPrefixRewrite(); p != "" {
		out.rewrite.prefix = []byte(p)
	}
	if r := a.GetRegexRewrite(); r != nil {
		if err := out.rewrite.setRegex(r); err != nil {
			return prefixed("regex_rewrite", err)
		}
	}
	out.host.forwarded = a.GetAppendXForwardedHost()
	switch h := a.GetHostRewriteSpecifier().(type) {
	case nil:
	case *routev3.RouteAction_HostRewriteLiteral:
		out.host.literal = []byte(h.HostRewriteLiteral)
	case *routev3.RouteAction_HostRewriteHeader:
		out.host.header = h.HostRewriteHeader
	case *routev3.RouteAction_HostRewritePathRegex:
		var r pathRewrite
		if err := r.setRegex(h.HostRewritePathRegex); err != nil {
			return prefixed("host_rewrite_path_regex", err)
		}
		out.host.re, out.host.substitution = r.re, r.substitution
	default:
		return fmt.Errorf("host rewrite %T is not supported", h)
	}
	if hasControl(string(out.rewrite.prefix)) || hasControl(string(out.host.literal)) {
		return errors.New("control characters in a rewrite")
	}
	return nil
}

func (c *compiler) compileTargets(out *route, a *routev3.RouteAction, levels []level) error {
	switch s := a.GetClusterSpecifier().(type) {
	case *routev3.RouteAction_Cluster:
		return c.addTarget(out, s.Cluster, 1, nil, levels)
	case *routev3.RouteAction_ClusterHeader:
		out.clusterHeader = s.ClusterHeader
		return c.addTarget(out, "", 1, nil, levels)
	case *routev3.RouteAction_WeightedClusters:
		for i, w := range s.WeightedClusters.GetClusters() {
			if w.GetClusterHeader() != "" {
				return fmt.Errorf("weighted_clusters.clusters[%d].cluster_header is not supported", i)
			}
			own, err := levelOf(w)
			if err == nil {
				err = c.addTarget(out, w.GetName(), w.GetWeight().GetValue(), []byte(w.GetHostRewriteLiteral()), append([]level{own}, levels...))
				if err == nil && own.request != nil {
					out.targets[len(out.targets)-1].own = 1
				}
			}
			if err != nil {
				return prefixed(fmt.Sprintf("weighted_clusters.clusters[%d]", i), err)
			}
		}
		if out.total == 0 {
			return errors.New("weighted_clusters: the weights add up to 0")
		}
		return nil
	}
	return fmt.Errorf("cluster specifier %T is not supported", a.GetClusterSpecifier())
}

func (c *compiler) addTarget(out *route, name string, weight uint32, host []byte, levels []level) error {
	if out.total+weight < out.total {
		return errors.New("the weights add up to more than 4294967295")
	}
	t := &target{
		name: name, altName: c.prog.altNames[name], weight: weight, cluster: c.prog.clusters.Cluster(name),
		request: requestMutations(levels), response: responseMutations(levels),
		metrics: &requestMetrics{},
	}
	if len(host) > 0 {
		t.host = host
	}
	var err error
	if t.settings, err = c.settings(levels); err != nil {
		return err
	}
	out.targets = append(out.targets, t)
	out.total += weight
	return nil
}

func compileRedirect(r *routev3.RedirectAction) (*redirect, error) {
	out := &redirect{
		https: r.GetHttpsRedirect(), scheme: r.GetSchemeRedirect(), host: r.GetHostRedirect(),
		port: r.GetPortRedirect(), stripQuery: r.GetStripQuery(),
	}
	switch r.GetResponseCode() {
	case routev3.RedirectAction_MOVED_PERMANENTLY:
		out.status = 301
	case routev3.RedirectAction_FOUND:
		out.status = 302
	case routev3.RedirectAction_SEE_OTHER:
		out.status = 303
	case routev3.RedirectAction_TEMPORARY_REDIRECT:
		out.status = 307
	case routev3.RedirectAction_PERMANENT_REDIRECT:
		out.status = 308
	default:
		return nil, fmt.Errorf("redirect.response_code %s is not supported", r.GetResponseCode())
	}
	if p := r.GetPathRedirect(); p != "" {
		out.path = []byte(p)
	}
	if p := r.GetPrefixRewrite(); p != "" {
		out.rewrite.prefix = []byte(p)
	}
	if x := r.GetRegexRewrite(); x != nil {
		if err := out.rewrite.setRegex(x); err != nil {
			return nil, prefixed("redirect.regex_rewrite", err)
		}
	}
	if hasControl(out.host) || hasControl(string(out.path)) || hasControl(string(out.rewrite.prefix)) || hasControl(out.scheme) {
		return nil, errors.New("control characters in a redirect")
	}
	return out, nil
}

func compileDirect(d *routev3.DirectResponseAction, limit int) (*directResponse, error) {
	out := &directResponse{status: int(d.GetStatus())}
	if out.status < 200 || out.status > 599 {
		return nil, fmt.Errorf("direct_response.status %d is not supported", out.status)
	}
	if d.GetBody() == nil {
		return out, nil
	}
	if name := d.GetBody().GetFilename(); name != "" {
		if info, err := os.Stat(name); err == nil && info.Size() > int64(limit) {
			return nil, fmt.Errorf("direct_response.body: %s is larger than %d bytes", name, limit)
		}
	}
	if _, empty := d.GetBody().GetSpecifier().(*corev3.DataSource_InlineString); empty && d.GetBody().GetInlineString() == "" {
		return out, nil
	}
	body, err := dataSource(d.GetBody())
	if err != nil {
		return nil, prefixed("direct_response.body", err)
	}
	if len(body) > limit {
		return nil, fmt.Errorf("direct_response.body has %d bytes, more than %d", len(body), limit)
	}
	out.body = body
	return out, nil
}
