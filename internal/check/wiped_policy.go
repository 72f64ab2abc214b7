package check

import (
	"fmt"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"

	"github.com/crossgate/crossgate/internal/xds"
)

// wipedPolicy finds EnvoyFilters that take policies away.
func wipedPolicy() *Check {
	return &Check{
		Name: "wiped-policy",
		Code: CodeWipedPolicy,
		Doc: "A patch of an EnvoyFilter removes or replaces Envoy's CORS filter, or the policies of routes, and so what VirtualServices say about CORS. Remove " +
			"the patch, or the policies.",
		Run: func(p *Pass) {
			if len(p.corsPolicies()) == 0 {
				return
			}
			for _, r := range p.Set.Kind(resource.KindEnvoyFilter) {
				for i, patch := range r.Spec.(*networking.EnvoyFilter).ConfigPatches {
					if what := wipes(patch); what != "" {
						p.Report(r, fmt.Sprintf("spec.configPatches[%d].patch", i), p.wipeSeverity(), "%s: the CORS policies of VirtualServices have no effect there", what)
					}
				}
			}
		},
	}
}

func (p *Pass) wipeSeverity() diag.Severity {
	for _, c := range p.corsPolicies() {
		if c.stage == production {
			return diag.Error
		}
	}
	return diag.Warning
}

// wipes says what a patch does to policies, or nothing.
func wipes(patch *networking.EnvoyFilter_EnvoyConfigObjectPatch) string {
	op, value := patch.GetPatch().GetOperation(), patch.GetPatch().GetValue().GetFields()
	gone := op == networking.EnvoyFilter_Patch_REMOVE || op == networking.EnvoyFilter_Patch_REPLACE
	switch patch.GetApplyTo() {
	case networking.EnvoyFilter_HTTP_FILTER:
		filter := patch.GetMatch().GetListener().GetFilterChain().GetFilter().GetSubFilter().GetName()
		if gone && filter == xds.CorsFilter {
			return "the CORS filter is removed or replaced"
		}
		if op == networking.EnvoyFilter_Patch_MERGE && filter == xds.CorsFilter && value["disabled"].GetBoolValue() {
			return "the CORS filter is switched off"
		}
	case networking.EnvoyFilter_VIRTUAL_HOST, networking.EnvoyFilter_HTTP_ROUTE, networking.EnvoyFilter_ROUTE_CONFIGURATION:
		if gone && patch.GetApplyTo() == networking.EnvoyFilter_VIRTUAL_HOST {
			return "virtual hosts are removed or replaced"
		}
		per := value["typed_per_filter_config"]
		if per == nil {
			per = value["typedPerFilterConfig"]
		}
		if per.GetStructValue().GetFields()[xds.CorsFilter] != nil {
			return "the policies of routes are overwritten"
		}
	}
	return ""
}
