package resource

import (
	"regexp"

	networking "istio.io/api/networking/v1alpha3"
)

// validateEnvoyFilter is istiod's ValidateEnvoyFilter
// (pkg/config/validation/envoyfilter) without the values of the patches: those
// are decoded where they are applied, one by one.
func validateEnvoyFilter(v *validator) {
	spec := v.Spec.(*networking.EnvoyFilter)
	v.selector(spec.GetWorkloadSelector().GetLabels(), "spec.workloadSelector.labels")
	for i, p := range spec.GetConfigPatches() {
		if p.GetMatch().GetContext() == networking.EnvoyFilter_WAYPOINT {
			continue
		}
		validatePatch(v, at("spec.configPatches", i), p)
	}
}

func validatePatch(v *validator, path string, p *networking.EnvoyFilter_EnvoyConfigObjectPatch) {
	patch := p.GetPatch()
	switch {
	case p.GetApplyTo() == networking.EnvoyFilter_INVALID:
		v.errorf(join(path, "applyTo"), "Envoy filter: missing applyTo")
		return
	case patch == nil:
		v.errorf(path, "Envoy filter: missing patch")
		return
	case patch.GetOperation() == networking.EnvoyFilter_Patch_INVALID:
		v.errorf(join(path, "patch.operation"), "Envoy filter: missing patch operation")
		return
	case patch.GetOperation() != networking.EnvoyFilter_Patch_REMOVE && patch.GetValue() == nil:
		v.errorf(join(path, "patch"), "Envoy filter: missing patch value for non-remove operation")
		return
	}
	if version := p.GetMatch().GetProxy().GetProxyVersion(); len(version) <= maxProxyVersion {
		if _, err := regexp.Compile(version); err != nil {
			v.errorf(join(path, "match.proxy.proxyVersion"), "Envoy filter: invalid regex for proxy version, [%v]", err)
			return
		}
	}
	if p.GetMatch().GetObjectTypes() != nil {
		validatePatchMatch(v, join(path, "match"), p)
	}
}

// maxProxyVersion is the longest expression that istiod compiles; a longer one
// matches nothing.
const maxProxyVersion = 1024

func validatePatchMatch(v *validator, path string, p *networking.EnvoyFilter_EnvoyConfigObjectPatch) {
	match := p.GetMatch()
	switch p.GetApplyTo() {
	case networking.EnvoyFilter_LISTENER, networking.EnvoyFilter_FILTER_CHAIN, networking.EnvoyFilter_NETWORK_FILTER, networking.EnvoyFilter_HTTP_FILTER:
		if match.GetListener() == nil {
			v.errorf(path, "Envoy filter: applyTo for listener class objects cannot have non listener match")
			return
		}
		if f := match.GetListener().GetFilterChain().GetFilter(); f != nil {
			validateFilterMatch(v, join(path, "listener.filterChain.filter"), p.GetApplyTo(), f)
		}
	case networking.EnvoyFilter_ROUTE_CONFIGURATION, networking.EnvoyFilter_VIRTUAL_HOST, networking.EnvoyFilter_HTTP_ROUTE:
		if match.GetRouteConfiguration() == nil {
			v.errorf(path, "Envoy filter: applyTo for http route class objects cannot have non route configuration match")
		}
	case networking.EnvoyFilter_CLUSTER:
		if match.GetCluster() == nil {
			v.errorf(path, "Envoy filter: applyTo for cluster class objects cannot have non cluster match")
		}
	}
}

func validateFilterMatch(v *validator, path string, to networking.EnvoyFilter_ApplyTo, f *networking.EnvoyFilter_ListenerMatch_FilterMatch) {
	const manager = "envoy.filters.network.http_connection_manager"
	switch sub := f.GetSubFilter(); {
	case f.GetName() == "":
		v.errorf(path, "Envoy filter: filter match has no name to match on")
	case sub == nil:
	case to != networking.EnvoyFilter_HTTP_FILTER:
		v.errorf(join(path, "subFilter"), "Envoy filter: subfilter match can be used with applyTo HTTP_FILTER only")
	case f.GetName() != manager && f.GetName() != "envoy.http_connection_manager":
		v.errorf(join(path, "name"), "Envoy filter: subfilter match requires filter match with %s", manager)
	case sub.GetName() == "":
		v.errorf(join(path, "subFilter"), "Envoy filter: subfilter match has no name to match on")
	}
}
