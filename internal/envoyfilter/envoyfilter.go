package envoyfilter

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/xds"
)

// The codes of the diagnostics of this package.
const (
	// CodeUnenforced: what keeps requests out would not be there. The
	// configuration must not be served.
	CodeUnenforced = "CG0010"
	// CodeNotSelected: the EnvoyFilter is for other workloads.
	CodeNotSelected = "CG0202"
	// CodeNoEffect: a patch finds nothing that it could change.
	CodeNoEffect = "CG0220"
	// CodeSkipped: a patch cannot be applied and is left out.
	CodeSkipped = "CG0221"
)

// Options say for which proxy the patches are, and what may become of those that
// guard something.
type Options struct {
	// Name, Namespace and Labels are those of the proxy.
	Name, Namespace string
	Labels          map[string]string
	// Metadata are the fields of the node's metadata that a patch can ask for,
	// ISTIO_VERSION among them.
	Metadata map[string]string
	// RunsAll says that the proxy runs every filter there is: a stock Envoy.
	RunsAll bool
	// AllowUnenforced leaves out, with a warning, what may keep requests out
	// and is not run. Otherwise it is an error with CodeUnenforced.
	AllowUnenforced bool
}

// Apply patches the snapshot, which must not be sealed or shared yet.
func Apply(s *xds.Snapshot, set *resource.Set, o Options) diag.List {
	a := &applier{snapshot: s, opts: o, patches: make(map[networking.EnvoyFilter_ApplyTo][]*patch)}
	filters := a.filters(set)
	if len(filters) == 0 {
		return a.diags
	}
	for _, f := range filters {
		a.collect(f)
	}
	a.listeners()
	a.routeConfigurations()
	a.clusters()
	a.prune()
	a.reportUnused()
	return a.diags
}

// applier is the state of one run of Apply.
type applier struct {
	snapshot *xds.Snapshot
	opts     Options
	// patches are those for this proxy, in order.
	patches map[networking.EnvoyFilter_ApplyTo][]*patch
	diags   diag.List
}

// filters returns the EnvoyFilters for the proxy in the order of their patches:
// by priority, the root namespace first, by age, by name (istiod's
// PushContext.EnvoyFilters). What is wrong with the values of others is
// reported all the same.
func (a *applier) filters(set *resource.Set) []*resource.Resource {
	var out []*resource.Resource
	for _, r := range set.Kind(resource.KindEnvoyFilter) {
		spec, ok := r.Spec.(*networking.EnvoyFilter)
		if !ok {
			continue
		}
		if why := a.unselected(r, spec); why != "" {
			a.report(diag.Info, CodeNotSelected, r, "spec.workloadSelector", "not applied here: %s", why)
			for i := range spec.GetConfigPatches() {
				a.decode(newPatch(r, i))
			}
			continue
		}
		out = append(out, r)
	}
	slices.SortStableFunc(out, func(x, y *resource.Resource) int {
		priority := func(r *resource.Resource) int32 { return r.Spec.(*networking.EnvoyFilter).GetPriority() }
		local := func(r *resource.Resource) int {
			if r.Namespace == resource.RootNamespace {
				return 0
			}
			return 1
		}
		return cmp.Or(
			cmp.Compare(priority(x), priority(y)),
			cmp.Compare(local(x), local(y)),
			x.Created.Compare(y.Created),
			strings.Compare(x.Name+"."+x.Namespace, y.Name+"."+y.Namespace),
		)
	})
	return out
}

// unselected says why an EnvoyFilter is not for the proxy; empty if it is.
func (a *applier) unselected(r *resource.Resource, spec *networking.EnvoyFilter) string {
	switch {
	case r.Namespace != resource.RootNamespace && r.Namespace != a.opts.Namespace:
		return fmt.Sprintf("an EnvoyFilter counts in its own namespace, and from %s everywhere; %s is in %s", resource.RootNamespace, a.opts.Name, a.opts.Namespace)
	case len(spec.GetTargetRefs()) > 0:
		return "targetRefs are for gateways of the Gateway API"
	}
	for k, v := range spec.GetWorkloadSelector().GetLabels() {
		if got, ok := a.opts.Labels[k]; !ok || got != v {
			return fmt.Sprintf("the workloadSelector does not match the labels of %s", a.opts.Name)
		}
	}
	return ""
}

// report adds a diagnostic about a field of an EnvoyFilter.
func (a *applier) report(s diag.Severity, code string, r *resource.Resource, path, format string, args ...any) {
	a.diags = append(a.diags, diag.Diagnostic{
		Pos: r.Position(path), Severity: s, Code: code, Object: r.Key.String(), Path: path, Message: fmt.Sprintf(format, args...),
	})
}

// reportUnused tells of patches that changed nothing.
func (a *applier) reportUnused() {
	for _, list := range a.patches {
		for _, p := range list {
			if p.used || p.skipped {
				continue
			}
			severity := diag.Warning
			if p.context() == networking.EnvoyFilter_ANY {
				severity = diag.Info // it may be meant for sidecars
			}
			why := "nothing here matches"
			if !p.meaningful() {
				severity = diag.Warning
				why = fmt.Sprintf("%s does nothing to a %s%s", p.spec.GetPatch().GetOperation(), p.applyTo(), p.missingMatch())
			}
			a.report(severity, CodeNoEffect, p.filter, p.path("applyTo"), "the patch has no effect: %s", why)
		}
	}
}
