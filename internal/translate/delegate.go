package translate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// httpRoute is a route of a VirtualService with its names resolved: its own or
// one that it takes from a delegate.
type httpRoute struct {
	spec *networking.HTTPRoute
	// from and path are where it is written; matches, where each match is.
	from    *resource.Resource
	path    string
	matches []string
}

// httpRoutes returns the routes of a VirtualService in order, with those of its
// delegates in their places (mergeVirtualServices of istiod's
// pilot/pkg/model/virtualservice_controller.go).
func (t *translator) httpRoutes(r *resource.Resource, spec *networking.VirtualService) []httpRoute {
	var out []httpRoute
	for i, in := range spec.GetHttp() {
		own := t.resolved(r, in, fmt.Sprintf("spec.http[%d]", i))
		if in.GetDelegate() == nil {
			out = append(out, own)
			continue
		}
		out = append(out, t.delegated(own)...)
	}
	return out
}

// resolved completes the short names of a route.
func (t *translator) resolved(r *resource.Resource, in *networking.HTTPRoute, path string) httpRoute {
	out := httpRoute{spec: proto.CloneOf(in), from: r, path: path}
	full := func(d *networking.Destination) {
		if d != nil {
			d.Host = fullName(d.GetHost(), r.Namespace, t.domain)
		}
	}
	for i, m := range out.spec.GetMatch() {
		for j, g := range m.GetGateways() {
			m.Gateways[j] = gatewayName(g, r.Namespace)
		}
		out.matches = append(out.matches, at(path+".match", i))
	}
	for _, d := range out.spec.GetRoute() {
		full(d.GetDestination())
	}
	full(out.spec.GetMirror())
	for _, m := range out.spec.GetMirrors() {
		full(m.GetDestination())
	}
	return out
}

// delegated returns the routes that take the place of one that delegates. What
// cannot be found costs that place alone.
func (t *translator) delegated(root httpRoute) []httpRoute {
	d := root.spec.GetDelegate()
	path := root.path + ".delegate"
	key := resource.Key{Kind: "VirtualService", Namespace: d.GetNamespace(), Name: d.GetName()}
	if key.Namespace == "" {
		key.Namespace = root.from.Namespace
	}
	r := t.set.Get(key)
	if r == nil {
		t.report(diag.Error, CodeDropped, root.from, path, "route left out: there is no %s", key)
		return nil
	}
	spec, ok := r.Spec.(*networking.VirtualService)
	switch {
	case !ok:
		return nil
	case len(spec.GetHosts()) > 0:
		t.report(diag.Error, CodeDropped, root.from, path+".name", "route left out: %s has hosts, so it is no delegate", key)
		return nil
	case !exportedTo(spec.GetExportTo(), r.Namespace, root.from.Namespace):
		t.report(diag.Error, CodeDropped, root.from, path, "route left out: %s is not exported to namespace %s", key, root.from.Namespace)
		return nil
	}
	var out []httpRoute
	for i, in := range spec.GetHttp() {
		child := t.resolved(r, in, fmt.Sprintf("spec.http[%d]", i))
		if !child.inherit(root) {
			t.report(diag.Warning, CodeDropped, r, child.path, "route left out: no match of it is within the matches of %s %s, which delegates to it",
				root.from.Key, root.path)
			continue
		}
		out = append(out, child)
	}
	return out
}

// inherit gives a delegate's route what the root's says and its own does not:
// matches apply together, everything else is taken whole (mergeHTTPRoute of
// istiod's pilot/pkg/model/virtualservice.go). False means that no request could
// match both.
func (h *httpRoute) inherit(root httpRoute) bool {
	if !h.inheritMatches(root) {
		return false
	}
	c, r := h.spec, root.spec
	c.Name = joinNames(r.GetName(), c.GetName())
	orElse(&c.Rewrite, r.GetRewrite())
	orElse(&c.DirectResponse, r.GetDirectResponse())
	orElse(&c.Timeout, r.GetTimeout())
	orElse(&c.Retries, r.GetRetries())
	orElse(&c.Fault, r.GetFault())
	orElse(&c.Mirror, r.GetMirror())
	orElse(&c.MirrorPercent, r.GetMirrorPercent()) //nolint:staticcheck // Deprecated, and still in use.
	orElse(&c.MirrorPercentage, r.GetMirrorPercentage())
	orElse(&c.CorsPolicy, r.GetCorsPolicy())
	orElse(&c.Headers, r.GetHeaders())
	if c.Mirrors == nil {
		c.Mirrors = r.GetMirrors()
	}
	return true
}

func orElse[T any](own **T, inherited *T) {
	if *own == nil {
		*own = inherited
	}
}

func joinNames(root, child string) string {
	if root == "" || child == "" {
		return root + child
	}
	return root + "-" + child
}

// inheritMatches joins every match of the delegate with every one of the root
// that it is within.
func (h *httpRoute) inheritMatches(root httpRoute) bool {
	switch {
	case len(root.spec.GetMatch()) == 0:
		return true
	case len(h.spec.GetMatch()) == 0:
		h.spec.Match = root.spec.GetMatch()
		h.matches = slices.Repeat([]string{h.path}, len(h.spec.GetMatch()))
		return true
	}
	var out []*networking.HTTPMatchRequest
	var paths []string
	for i, child := range h.spec.GetMatch() {
		before := len(out)
		for _, m := range root.spec.GetMatch() {
			if !matchConflict(m, child) {
				out, paths = append(out, joinMatch(m, child)), append(paths, h.matches[i])
			}
		}
		if len(out) == before {
			return false
		}
	}
	h.spec.Match, h.matches = out, paths
	return true
}

func joinMatch(root, child *networking.HTTPMatchRequest) *networking.HTTPMatchRequest {
	out := proto.CloneOf(child)
	out.Name = joinNames(root.GetName(), child.GetName())
	orElse(&out.Uri, root.GetUri())
	orElse(&out.Scheme, root.GetScheme())
	orElse(&out.Method, root.GetMethod())
	orElse(&out.Authority, root.GetAuthority())
	out.Headers = joinMaps(root.GetHeaders(), child.GetHeaders())
	out.WithoutHeaders = joinMaps(root.GetWithoutHeaders(), child.GetWithoutHeaders())
	out.QueryParams = joinMaps(root.GetQueryParams(), child.GetQueryParams())
	out.SourceLabels = joinMaps(root.GetSourceLabels(), child.GetSourceLabels())
	if out.Port == 0 {
		out.Port = root.GetPort()
	}
	if out.SourceNamespace == "" {
		out.SourceNamespace = root.GetSourceNamespace()
	}
	if len(out.Gateways) == 0 {
		out.Gateways = root.GetGateways()
	}
	if out.StatPrefix == "" {
		out.StatPrefix = root.GetStatPrefix()
	}
	return out
}

func joinMaps[V any](root, child map[string]V) map[string]V {
	out := maps.Clone(root)
	if out == nil {
		out = make(map[string]V, len(child))
	}
	maps.Copy(out, child)
	return out
}

// matchConflict reports whether a delegate's match is not within the root's, as
// far as istiod looks (hasConflict).
func matchConflict(root, child *networking.HTTPMatchRequest) bool {
	for _, pair := range [][2]*networking.StringMatch{
		{root.GetUri(), child.GetUri()},
		{root.GetScheme(), child.GetScheme()},
		{root.GetMethod(), child.GetMethod()},
		{root.GetAuthority(), child.GetAuthority()},
	} {
		if stringConflict(pair[0], pair[1]) {
			return true
		}
	}
	for _, pair := range [][2]map[string]*networking.StringMatch{
		{root.GetHeaders(), child.GetHeaders()},
		{root.GetWithoutHeaders(), child.GetWithoutHeaders()},
		{root.GetQueryParams(), child.GetQueryParams()},
	} {
		for name, m := range pair[1] {
			if stringConflict(pair[0][name], m) {
				return true
			}
		}
	}
	return root.GetIgnoreUriCase() != child.GetIgnoreUriCase() ||
		root.GetPort() > 0 && child.GetPort() > 0 && root.GetPort() != child.GetPort() ||
		root.GetSourceNamespace() != "" && child.GetSourceNamespace() != root.GetSourceNamespace() ||
		labelConflict(root.GetSourceLabels(), child.GetSourceLabels()) ||
		gatewayConflict(root.GetGateways(), child.GetGateways())
}

func labelConflict(root, child map[string]string) bool {
	for k, v := range child {
		if have, ok := root[k]; ok && have != v {
			return true
		}
	}
	return false
}

func gatewayConflict(root, child []string) bool {
	if len(root) == 0 || len(child) == 0 {
		return false
	}
	outside := func(g string) bool { return !slices.Contains(root, g) }
	return len(root) < len(child) || slices.ContainsFunc(child, outside)
}

// stringConflict reports whether what the child matches may be outside of what
// the root does. Regexes are not compared: beside one nothing else may stand.
func stringConflict(root, child *networking.StringMatch) bool {
	if root == nil || child == nil {
		return false
	}
	something := func(m *networking.StringMatch) bool {
		return m.GetRegex() != "" || m.GetPrefix() != "" || m.GetExact() != ""
	}
	switch {
	case root.GetRegex() != "" && something(child), child.GetRegex() != "" && something(root):
		return true
	case root.GetExact() != "":
		return child.GetPrefix() != "" || child.GetExact() != root.GetExact()
	case root.GetPrefix() != "" && child.GetPrefix() != "":
		return !strings.HasPrefix(child.GetPrefix(), root.GetPrefix())
	case root.GetPrefix() != "" && child.GetExact() != "":
		return !strings.HasPrefix(child.GetExact(), root.GetPrefix())
	}
	return true
}
