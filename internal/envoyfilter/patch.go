package envoyfilter

import (
	"fmt"
	"regexp"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// patch is one of an EnvoyFilter's configPatches.
type patch struct {
	filter *resource.Resource
	index  int
	spec   *networking.EnvoyFilter_EnvoyConfigObjectPatch
	// op is the operation as istiod reads it.
	op networking.EnvoyFilter_Patch_Operation
	// value is what the patch puts in or merges; nil for REMOVE.
	value proto.Message
	// guards says that the value may keep requests out.
	guards bool
	// used says that the patch changed something; skipped, that it was left
	// out and that somebody was told.
	used, skipped bool
}

func newPatch(r *resource.Resource, index int) *patch {
	spec := r.Spec.(*networking.EnvoyFilter).GetConfigPatches()[index]
	p := &patch{filter: r, index: index, spec: spec, op: spec.GetPatch().GetOperation()}
	switch p.op {
	case networking.EnvoyFilter_Patch_INSERT_BEFORE, networking.EnvoyFilter_Patch_INSERT_AFTER, networking.EnvoyFilter_Patch_INSERT_FIRST:
		switch p.applyTo() {
		case networking.EnvoyFilter_HTTP_FILTER, networking.EnvoyFilter_NETWORK_FILTER, networking.EnvoyFilter_HTTP_ROUTE, networking.EnvoyFilter_LISTENER_FILTER:
		default:
			// Elsewhere order means nothing, and inserting is adding.
			p.op = networking.EnvoyFilter_Patch_ADD
		}
	}
	return p
}

func (p *patch) applyTo() networking.EnvoyFilter_ApplyTo { return p.spec.GetApplyTo() }

func (p *patch) context() networking.EnvoyFilter_PatchContext { return p.spec.GetMatch().GetContext() }

// path is that of a field of the patch.
func (p *patch) path(field string) string {
	return fmt.Sprintf("spec.configPatches[%d].%s", p.index, field)
}

func (p *patch) pos() diag.Pos { return p.filter.Position(p.path("patch.value")) }

// merges reports whether the value is merged into what is there.
func (p *patch) merges() bool {
	return p.op == networking.EnvoyFilter_Patch_MERGE || p.op == networking.EnvoyFilter_Patch_MERGE_AND_REPLACE_LIST
}

// message makes the message that the value of a patch is.
func message(to networking.EnvoyFilter_ApplyTo) proto.Message {
	switch to {
	case networking.EnvoyFilter_LISTENER:
		return new(listenerv3.Listener)
	case networking.EnvoyFilter_FILTER_CHAIN:
		return new(listenerv3.FilterChain)
	case networking.EnvoyFilter_LISTENER_FILTER:
		return new(listenerv3.ListenerFilter)
	case networking.EnvoyFilter_NETWORK_FILTER:
		return new(listenerv3.Filter)
	case networking.EnvoyFilter_HTTP_FILTER:
		return new(hcmv3.HttpFilter)
	case networking.EnvoyFilter_ROUTE_CONFIGURATION:
		return new(routev3.RouteConfiguration)
	case networking.EnvoyFilter_VIRTUAL_HOST:
		return new(routev3.VirtualHost)
	case networking.EnvoyFilter_HTTP_ROUTE:
		return new(routev3.Route)
	case networking.EnvoyFilter_CLUSTER:
		return new(clusterv3.Cluster)
	}
	return nil
}

// meaningful reports whether istiod does anything for the operation and the
// kind of object.
func (p *patch) meaningful() bool {
	switch p.applyTo() {
	case networking.EnvoyFilter_ROUTE_CONFIGURATION:
		return p.merges()
	case networking.EnvoyFilter_VIRTUAL_HOST:
		return true
	case networking.EnvoyFilter_LISTENER, networking.EnvoyFilter_FILTER_CHAIN, networking.EnvoyFilter_CLUSTER, networking.EnvoyFilter_HTTP_ROUTE:
		return p.op != networking.EnvoyFilter_Patch_REPLACE
	}
	return p.op != networking.EnvoyFilter_Patch_MERGE_AND_REPLACE_LIST && p.missingMatch() == ""
}

// missingMatch says what a patch of a filter has to name and does not.
func (p *patch) missingMatch() string {
	needs, has := p.op == networking.EnvoyFilter_Patch_REPLACE || p.op == networking.EnvoyFilter_Patch_REMOVE, true
	switch p.applyTo() {
	case networking.EnvoyFilter_LISTENER_FILTER:
		has = p.namesListenerFilter()
		needs = needs || p.op == networking.EnvoyFilter_Patch_MERGE
	case networking.EnvoyFilter_NETWORK_FILTER:
		has = p.namesFilter()
	case networking.EnvoyFilter_HTTP_FILTER:
		has = p.namesSubFilter()
	}
	if needs && !has {
		return " that is not named in match"
	}
	return ""
}

// collect decodes the patches of an EnvoyFilter and keeps those for the proxy.
func (a *applier) collect(r *resource.Resource) {
	for i := range r.Spec.(*networking.EnvoyFilter).GetConfigPatches() {
		p := newPatch(r, i)
		decoded := a.decode(p)
		switch {
		case !a.forProxy(p):
		case !decoded:
			a.missing(p)
		case p.applyTo() == networking.EnvoyFilter_BOOTSTRAP, p.applyTo() == networking.EnvoyFilter_EXTENSION_CONFIG:
			a.report(diag.Warning, CodeSkipped, r, p.path("applyTo"), "the patch is left out: %s is not supported", p.applyTo())
			a.missing(p)
		case p.guards && !a.opts.RunsAll && a.opts.AllowUnenforced:
			a.report(diag.Warning, CodeUnenforced, r, p.path("patch.value"), "the patch is left out: it may keep requests out, and is not enforced")
		default:
			a.patches[p.applyTo()] = append(a.patches[p.applyTo()], p)
		}
	}
}

// maxProxyVersion is the length from which istiod does not compile the
// expression for the version and the patch matches nothing.
const maxProxyVersion = 1024

// forProxy reports whether the patch is for gateways and for this one's version
// and metadata. There are no others to match with here.
func (a *applier) forProxy(p *patch) bool {
	if c := p.context(); c != networking.EnvoyFilter_ANY && c != networking.EnvoyFilter_GATEWAY {
		return false
	}
	proxy := p.spec.GetMatch().GetProxy()
	if v := proxy.GetProxyVersion(); v != "" {
		if len(v) > maxProxyVersion {
			return false
		}
		re, err := regexp.Compile(v)
		if err != nil || !re.MatchString(a.opts.Metadata["ISTIO_VERSION"]) {
			return false
		}
	}
	for k, v := range proxy.GetMetadata() {
		if got, ok := a.opts.Metadata[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// skip leaves a patch out for one object.
func (a *applier) skip(p *patch, format string, args ...any) {
	if p.skipped {
		return
	}
	p.skipped = true
	a.report(diag.Error, CodeSkipped, p.filter, p.path("patch.value"), "the patch is left out: "+format, args...)
	a.missing(p)
}

// missing says that a patch which may guard something is not applied.
func (a *applier) missing(p *patch) {
	if !p.guards {
		return
	}
	severity := diag.Error
	if a.opts.AllowUnenforced {
		severity = diag.Warning
	}
	a.report(severity, CodeUnenforced, p.filter, p.path("patch"), "the patch may keep requests out, and cannot be applied")
}

// apply notes that a patch is in effect, and what that means where it guards
// something that the engine does not run.
func (a *applier) apply(p *patch) {
	if !p.used && p.guards && !a.opts.RunsAll {
		a.report(diag.Error, CodeUnenforced, p.filter, p.path("patch.value"), "not enforced yet: the filter may keep requests out")
	}
	p.used = true
}
