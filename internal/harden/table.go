package harden

import (
	"fmt"
	"slices"
	"strings"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/crossgate/crossgate/internal/cors"
	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/xds"
)

// findTables finds the route configurations whose policies have an effect.
func (p *pass) findTables() {
	for _, l := range p.in.Listeners {
		for _, fc := range xds.FilterChains(l) {
			for _, f := range fc.GetFilters() {
				if m := xds.ConnectionManager(f); m.GetRds() != nil && hasCORS(m) {
					p.tables[m.GetRds().GetRouteConfigName()] = true
				}
			}
		}
	}
}

// listener gives the managers of a listener the filters of the profile, and hardens
// the routes that they carry. A listener without policies is the same as before.
func (p *pass) listener(l *listenerv3.Listener) *listenerv3.Listener {
	out := proto.CloneOf(l)
	changed := false
	for _, fc := range xds.FilterChains(out) {
		for _, f := range fc.GetFilters() {
			m := xds.ConnectionManager(f)
			if m == nil || !hasCORS(m) {
				continue
			}
			name := m.GetRds().GetRouteConfigName()
			hardened := p.tables[name]
			if rc := m.GetRouteConfig(); rc != nil {
				name = rc.GetName()
				rc, hardened = p.table(rc)
				m.RouteSpecifier = &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: rc}
			}
			if !hardened {
				continue
			}
			a, err := xds.Pack(p.filters(m, p.varied[name]))
			if err != nil {
				p.fail(err)
				continue
			}
			f.ConfigType = &listenerv3.Filter_TypedConfig{TypedConfig: a}
			changed = true
		}
	}
	if !changed {
		return l
	}
	return out
}

// shallow copies a message but for one field; what is below is shared.
func shallow[M proto.Message](m M, but protoreflect.Name) M {
	out := m.ProtoReflect().New()
	m.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if fd.Name() != but {
			out.Set(fd, v)
		}
		return true
	})
	return out.Interface().(M)
}

// table hardens a route configuration. It reports false for one without policies.
func (p *pass) table(rc *routev3.RouteConfiguration) (*routev3.RouteConfiguration, bool) {
	out := shallow(rc, "virtual_hosts")
	changed := false
	for _, vh := range rc.GetVirtualHosts() {
		h := newHost(p, rc, vh)
		hardened, ok := h.harden()
		if ok {
			vh, changed = hardened, true
		}
		out.VirtualHosts = append(out.VirtualHosts, vh)
	}
	if !changed {
		return rc, false
	}
	// Routes to no cluster are meant so.
	out.ValidateClusters = wrapperspb.Bool(false)
	return out, true
}

// host is a virtual host in the making.
type host struct {
	pass *pass
	rc   *routev3.RouteConfiguration
	vh   *routev3.VirtualHost
	// exact are the domains without a wildcard; wildcard is set if there are others.
	exact    []string
	wildcard bool

	out    []*routev3.Route
	from   []int // the index in vh of what each of out comes from, or -1
	safe   []*policy
	limits cors.Settings // the strictest of the policies
}

func newHost(p *pass, rc *routev3.RouteConfiguration, vh *routev3.VirtualHost) *host {
	h := &host{pass: p, rc: rc, vh: vh}
	for _, d := range vh.GetDomains() {
		switch {
		case strings.Contains(d, "*"):
			h.wildcard = true
		case !slices.Contains(h.exact, bare(d)):
			h.exact = append(h.exact, bare(d))
		}
	}
	return h
}

// harden returns the hardened virtual host, or false if no route has a policy.
func (h *host) harden() (*routev3.VirtualHost, bool) {
	h.limits = cors.Settings{Level: cors.Headers, Without: cors.AllRules}
	any := false
	for i, r := range h.vh.GetRoutes() {
		made := h.route(i, r)
		any = any || made != nil
		if made == nil {
			made = []*routev3.Route{r}
		}
		h.add(i, made)
	}
	if !any {
		return nil, false
	}
	if made := h.notFound(); made != nil {
		h.add(-1, made)
	}
	h.place()
	out := shallow(h.vh, "routes")
	out.Routes = h.out
	return out, true
}

func (h *host) add(from int, made []*routev3.Route) {
	for _, r := range made {
		h.out = append(h.out, r)
		h.from = append(h.from, from)
	}
}

// route makes the rows of a route, or none if it has no policy.
func (h *host) route(i int, r *routev3.Route) []*routev3.Route {
	pos, written := h.pass.in.Origins[xds.CorsKey(h.rc.GetName(), h.vh.GetName(), i)]
	if !written {
		pos = h.pass.in.Origins[xds.RouteKey(h.rc.GetName(), h.vh.GetName(), i)]
	}
	owner := ownerOf(r)
	p, err := effective(r, h.vh.GetTypedPerFilterConfig(), h.rc.GetTypedPerFilterConfig())
	if err != nil {
		h.pass.report(diag.Error, CodeNotHardened, pos, object(owner), "%v", err)
		return nil
	}
	if p == nil || r.GetMatch() == nil {
		return nil
	}
	s := h.pass.settings(owner)
	_, forward := h.pass.in.Origins[xds.ForwardKey(h.rc.GetName(), h.vh.GetName(), i)]
	b := &rows{
		pass: h.pass, host: h, src: r, p: h.pass.compiled.read(p, forward, s), s: s, owner: owner, inherits: h.inherits(),
	}
	if pos.Line > 0 || pos.File != "" {
		b.pos = pos.String()
	}
	h.pass.positions = append(h.pass.positions, b.pos, fmt.Sprint(forward))
	candidate, tried := h.candidate(r, s)
	b.trials = trialsOf(b.p, candidate, s, tried)
	h.tell(b, pos)
	if b.p.unsafe == nil {
		h.note(b)
	}
	return b.build()
}

// inherits reports whether a route of the host gets a policy that is not its own.
func (h *host) inherits() bool {
	return h.vh.GetTypedPerFilterConfig()[xds.CorsFilter] != nil || h.rc.GetTypedPerFilterConfig()[xds.CorsFilter] != nil
}

// tell makes the match of the preflights, and says what cannot be known or kept.
func (h *host) tell(b *rows, pos diag.Pos) {
	var unknown []string
	b.pre, unknown = preflights(b.src.GetMatch(), b.s.Has(cors.AnnouncedRoute))
	if b.p.unsafe != nil {
		h.pass.report(diag.Error, CodeUnsafe, pos, object(b.owner), "the policy is not used, and the route answers without CORS: %v", b.p.unsafe)
		return
	}
	if len(unknown) > 0 {
		h.pass.report(diag.Info, CodeAmbiguous, pos, object(b.owner),
			"preflights do not tell the value of %s, which the route asks for: one that announces the header takes this route, whatever the value will be", strings.Join(unknown, ", "))
	}
}

// object names an owner as diagnostics do.
func object(owner string) string {
	if owner == "" {
		return ""
	}
	return "VirtualService " + owner
}

func (p *pass) settings(owner string) cors.Settings {
	s, ok := p.o.Objects[owner]
	if !ok {
		s = p.o.Settings
	}
	if s.Level == cors.Unset {
		s.Level = cors.Preflight
	}
	return s
}

// place notes where the rows were written.
func (h *host) place() {
	origins, name, vh := h.pass.out.Origins, h.rc.GetName(), h.vh.GetName()
	keys := []func(string, string, int) string{xds.RouteKey, xds.CorsKey, xds.ForwardKey}
	for _, key := range keys {
		for i := range h.vh.GetRoutes() {
			delete(origins, key(name, vh, i))
		}
	}
	for i, from := range h.from {
		made := xds.RouteMetadata(h.out[i], xds.MetadataReason) != ""
		for n, key := range keys {
			pos, ok := h.pass.in.Origins[key(name, vh, from)]
			if ok && (n == 0 || !made) {
				origins[key(name, vh, i)] = pos
			}
		}
	}
}

// note keeps the policy for what the host answers where no route matches.
func (h *host) note(b *rows) {
	h.safe = append(h.safe, b.p)
	h.limits.Without &= b.s.Without
	if b.s.Level > h.limits.Level && !b.p.forward {
		h.limits.Level = b.s.Level
	}
}
