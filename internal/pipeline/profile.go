package pipeline

import (
	"fmt"
	"slices"

	"github.com/crossgate/crossgate/internal/cors"
	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/harden"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/translate"
	"github.com/crossgate/crossgate/internal/xds"
)

// Profile chooses what becomes of the CORS policies.
type Profile struct {
	// Hardened enforces them at the gateway; otherwise they are what Istio makes
	// of them.
	Hardened bool
	// Enforcement is what the user of the program wants: it goes before what the
	// input says for the mesh, and behind what it says of a VirtualService.
	Enforcement resource.Enforcement
}

// onTrial parts the objects that are served from those whose policies are tried.
func onTrial(set *resource.Set) (served *resource.Set, trial []*resource.Resource) {
	var rest []*resource.Resource
	for _, r := range set.All() {
		if r.Kind == resource.KindVirtualService && r.Enforcement().Trial {
			trial = append(trial, r)
		} else {
			rest = append(rest, r)
		}
	}
	if len(trial) == 0 {
		return set, nil
	}
	served, _ = resource.NewSet(rest)
	return served, trial
}

// snapshot translates what is served, and hardens it if that is wanted.
func (p Profile) snapshot(served *resource.Set, trial []*resource.Resource, o translate.Options) (*xds.Snapshot, diag.List) {
	s, diags := translate.Snapshot(served, o)
	if !p.Hardened {
		for _, r := range trial {
			diags = append(diags, note(r, "not served, and not tried either: the profile istio tries no policies"))
		}
		return s, diags
	}
	opts := harden.Options{Settings: p.defaults(served), Objects: map[string]cors.Settings{}}
	for _, r := range slices.Concat(served.Kind(resource.KindVirtualService), trial) {
		opts.Objects[r.Namespace+"/"+r.Name] = r.Enforcement().Over(opts.Settings)
	}
	if len(trial) > 0 {
		tried, found := candidate(served, trial, o)
		opts.Candidate = tried
		diags = append(diags, found...)
	}
	s, found := harden.Snapshot(s, opts)
	return s, append(diags, found...)
}

// defaults are the settings of VirtualServices that have none of their own.
func (p Profile) defaults(set *resource.Set) cors.Settings {
	var s cors.Settings
	for _, r := range set.Kind(resource.KindConfigMap) {
		if r.IsMeshSettings() {
			s = r.Enforcement().Over(s)
		}
	}
	return p.Enforcement.Over(s)
}

// candidate translates the input as if only the VirtualServices on trial were there,
// and says what is wrong with them.
func candidate(served *resource.Set, trial []*resource.Resource, o translate.Options) (*xds.Snapshot, diag.List) {
	rest := slices.Clone(trial)
	for _, r := range served.All() {
		if r.Kind != resource.KindVirtualService {
			rest = append(rest, r)
		}
	}
	set, _ := resource.NewSet(rest)
	s, diags := translate.Snapshot(set, o)
	return s, slices.DeleteFunc(diags, func(d diag.Diagnostic) bool {
		return !slices.ContainsFunc(trial, func(r *resource.Resource) bool { return r.Key.String() == d.Object })
	})
}

func note(r *resource.Resource, format string, args ...any) diag.Diagnostic {
	return diag.Diagnostic{
		Pos: r.Position("metadata.annotations." + resource.AnnotationTrial), Severity: diag.Info, Code: harden.CodeCandidate,
		Object: r.Key.String(), Message: fmt.Sprintf(format, args...),
	}
}
