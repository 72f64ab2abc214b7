package check

import (
	"slices"
	"strings"

	"istio.io/api/annotation"
	"istio.io/api/label"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// The rules of this file are those of K8sAnalyzer in istio's
// pkg/config/analysis/analyzers/annotations: it looks at four kinds of Kubernetes
// alone, so that an annotation on a VirtualService is nobody's business.

func unknownAnnotation() *Check {
	return &Check{
		Name: "unknown-annotation",
		Code: CodeUnknownAnnotation,
		Doc:  "An annotation under istio.io is none that Istio has, so that it has no effect. Write its name right, or use a domain of your own.",
		Run: func(p *Pass) {
			p.annotations(func(r *resource.Resource, name string, a *annotation.Instance) {
				if a == nil {
					p.Report(r, "metadata.annotations."+name, diag.Warning, "Istio has no annotation %s", name)
				}
			})
		},
	}
}

func misplacedAnnotation() *Check {
	return &Check{
		Name: "misplaced-annotation",
		Code: CodeMisplacedAnnotation,
		Doc:  "An annotation of Istio stands on an object of a kind for which it has no effect. Move it to an object of a kind that it is for.",
		Run: func(p *Pass) {
			p.annotations(func(r *resource.Resource, name string, a *annotation.Instance) {
				if a == nil || slices.Contains(a.Resources, annotation.Any) {
					return
				}
				var kinds []string
				for _, k := range a.Resources {
					kinds = append(kinds, k.String())
				}
				if !slices.Contains(kinds, r.Kind) {
					p.Report(r, "metadata.annotations."+name, diag.Warning, "the annotation %s has no effect on a %s; it is for %s", name, r.Kind, strings.Join(kinds, ", "))
				}
			})
		},
	}
}

func deprecatedAnnotation() *Check {
	return &Check{
		Name: "deprecated-annotation",
		Code: CodeDeprecatedAnnotation,
		Doc:  "An annotation is deprecated and may have no effect in a later version of Istio. The label sidecar.istio.io/inject replaces the annotation of that name.",
		Run: func(p *Pass) {
			p.annotations(func(r *resource.Resource, name string, a *annotation.Instance) {
				if a == nil || !a.Deprecated {
					return
				}
				instead := ""
				if name == annotation.SidecarInject.Name {
					if _, ok := r.Labels[label.SidecarInject.Name]; ok {
						return
					}
					instead = "; use the label of the same name"
				}
				p.Report(r, "metadata.annotations."+name, diag.Info, "the annotation %s is deprecated%s", name, instead)
			})
		},
	}
}

// annotations calls f for each annotation under istio.io of the kinds that carry
// them, with what Istio knows of it: nil for nothing.
func (p *Pass) annotations(f func(r *resource.Resource, name string, a *annotation.Instance)) {
	var known map[string]*annotation.Instance
	for _, kind := range []string{"Namespace", "Service", "Pod", "Deployment"} {
		for _, r := range p.Set.Kind(kind) {
			for name := range r.Annotations {
				if !underIstio(name) {
					continue
				}
				if known == nil {
					known = knownAnnotations()
				}
				f(r, name, known[name])
			}
		}
	}
}

func knownAnnotations() map[string]*annotation.Instance {
	out := make(map[string]*annotation.Instance)
	for _, a := range annotation.AllResourceAnnotations() {
		out[a.Name] = a
	}
	return out
}

// underIstio reports whether an annotation is Istio's by its name. Those that
// Istio writes itself are nothing that anybody could repair.
func underIstio(name string) bool {
	switch name {
	case annotation.SidecarStatus.Name, annotation.GatewayControllerVersion.Name, annotation.IoIstioRev.Name:
		return false
	case "kubernetes.io/ingress.class":
		return true
	}
	domain, _, _ := strings.Cut(name, "/")
	return strings.HasSuffix(domain, "istio.io")
}
