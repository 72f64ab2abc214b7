package check

import (
	"fmt"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// The rules of this file are those of EnvoyPatchAnalyzer in istio's
// pkg/config/analysis/analyzers/envoyfilter.

func relativeOperation() *Check {
	return patchCheck("relative-operation", CodeRelativeOperation, diag.Warning,
		"%s depends on what other EnvoyFilters did before it, and the EnvoyFilter has no priority",
		"A patch of an EnvoyFilter without a priority is relative to something that another EnvoyFilter may add or remove before or after it "+
			"(INSERT_BEFORE, INSERT_AFTER, REPLACE, REMOVE). Set spec.priority, or use INSERT_FIRST or ADD.")
}

func replaceOperation() *Check {
	return patchCheck("replace-operation", CodeReplaceOperation, diag.Error, "%s is for HTTP_FILTER, NETWORK_FILTER and VIRTUAL_HOST only",
		"A patch of an EnvoyFilter replaces something that cannot be replaced. Use MERGE, or REMOVE and ADD.")
}

func addOperation() *Check {
	return patchCheck("add-operation", CodeAddOperation, diag.Error, "%s is ignored for ROUTE_CONFIGURATION and HTTP_ROUTE",
		"A patch of an EnvoyFilter adds a route configuration or a route, which has no effect. Use MERGE, or INSERT_FIRST for a route.")
}

func removeOperation() *Check {
	return patchCheck("remove-operation", CodeRemoveOperation, diag.Error, "%s is ignored for ROUTE_CONFIGURATION and HTTP_ROUTE",
		"A patch of an EnvoyFilter removes a route configuration or a route, which has no effect. Change the VirtualService instead.")
}

func versionedOperation() *Check {
	return patchCheck("versioned-operation", CodeVersionedOperation, diag.Warning,
		"%s depends on what other EnvoyFilters did before it; another patch of the same filter is for one proxyVersion only, and the EnvoyFilter has no priority",
		"A patch without a priority is relative to a filter that another patch adds for some versions of the proxy only, so that it may miss it "+
			"during an upgrade. Set spec.priority, or use INSERT_FIRST or ADD.")
}

func patchCheck(name, code string, s diag.Severity, message, doc string) *Check {
	return &Check{Name: name, Code: code, Doc: doc, Run: func(p *Pass) {
		versioned := make(map[string]bool) // filters that patches for one proxyVersion are about
		for _, r := range p.Set.Kind(resource.KindEnvoyFilter) {
			ef := r.Spec.(*networking.EnvoyFilter)
			for i, patch := range ef.ConfigPatches {
				if patch.GetPatch() == nil {
					break
				}
				filter := patchedFilter(patch)
				if patchCode(ef, patch, versioned, filter) == code {
					p.Report(r, fmt.Sprintf("spec.configPatches[%d].patch.operation", i), s, message, patch.Patch.Operation)
				}
				if patch.GetMatch().GetProxy().GetProxyVersion() != "" {
					versioned[filter] = true
				}
			}
		}
	}}
}

// patchedFilter names the filter that a patch is about.
func patchedFilter(p *networking.EnvoyFilter_EnvoyConfigObjectPatch) string {
	fields := p.Patch.GetValue().GetFields()
	if name := fields["name"]; name != nil {
		return name.GetStringValue()
	}
	if len(fields) == 0 {
		return ""
	}
	return p.GetMatch().GetListener().GetFilterChain().GetFilter().GetName()
}

// patchCode returns what is wrong with a patch, or nothing.
func patchCode(ef *networking.EnvoyFilter, p *networking.EnvoyFilter_EnvoyConfigObjectPatch, versioned map[string]bool, filter string) string {
	routes := p.ApplyTo == networking.EnvoyFilter_ROUTE_CONFIGURATION || p.ApplyTo == networking.EnvoyFilter_HTTP_ROUTE
	switch p.Patch.Operation {
	case networking.EnvoyFilter_Patch_ADD:
		if routes {
			return CodeAddOperation
		}
		return ""
	case networking.EnvoyFilter_Patch_REMOVE:
		if routes {
			return CodeRemoveOperation
		}
	case networking.EnvoyFilter_Patch_REPLACE:
		switch p.ApplyTo {
		case networking.EnvoyFilter_NETWORK_FILTER, networking.EnvoyFilter_HTTP_FILTER, networking.EnvoyFilter_VIRTUAL_HOST:
		default:
			return CodeReplaceOperation
		}
	case networking.EnvoyFilter_Patch_INSERT_BEFORE, networking.EnvoyFilter_Patch_INSERT_AFTER:
	default:
		return ""
	}
	switch {
	case ef.Priority != 0:
		return ""
	case versioned[filter]:
		return CodeVersionedOperation
	}
	return CodeRelativeOperation
}
