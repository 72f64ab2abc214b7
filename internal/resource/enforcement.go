package resource

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	corev1 "k8s.io/api/core/v1"

	"github.com/crossgate/crossgate/internal/cors"
)

// The annotations of a VirtualService that say how its CORS policies are enforced,
// and the keys of the ConfigMap for the whole mesh, which has those of them that
// make sense there without the domain.
const (
	AnnotationEnforce      = annotationDomain + keyEnforce
	AnnotationReportOnly   = annotationDomain + keyReportOnly
	AnnotationWithoutRules = annotationDomain + keyWithoutRules
	// AnnotationTrial makes a VirtualService one that is not served: its policies
	// are tried beside those in force.
	AnnotationTrial = annotationDomain + "trial"

	annotationDomain = "crossgate.dev/"
	keyEnforce       = "enforce"
	keyReportOnly    = "report-only"
	keyWithoutRules  = "without-rules"

	// MeshSettingsName is the name of the ConfigMap, which is in RootNamespace.
	MeshSettingsName = "crossgate"
)

// Enforcement is what an object says about the enforcement of CORS policies; nil
// where it says nothing.
type Enforcement struct {
	Level, ReportOnly *cors.Level
	Without           *cors.Rules
	// Trial: the object is not served, its policies are tried.
	Trial bool
}

// Over returns settings with what the object says put over them.
func (e Enforcement) Over(s cors.Settings) cors.Settings {
	if e.Level != nil {
		s.Level = *e.Level
	}
	if e.ReportOnly != nil {
		s.ReportOnly = *e.ReportOnly
	}
	if e.Without != nil {
		s.Without = *e.Without
	}
	return s
}

// Enforcement reads the annotations of a VirtualService, or the data of the ConfigMap
// for the mesh. Values that are wrong do not get this far: such an object is refused.
func (r *Resource) Enforcement() Enforcement {
	e, _ := r.enforcement()
	return e
}

// IsMeshSettings reports whether the object is the ConfigMap for the whole mesh.
func (r *Resource) IsMeshSettings() bool {
	return r.Key == Key{Kind: KindConfigMap, Namespace: RootNamespace, Name: MeshSettingsName}
}

// wrongValue is a value that cannot be read, and where it stands.
type wrongValue struct {
	path string
	err  error
}

func (r *Resource) enforcement() (e Enforcement, wrong []wrongValue) {
	values, domain, at := r.Annotations, annotationDomain, "metadata.annotations."
	if cm, ok := r.Spec.(*corev1.ConfigMap); ok {
		values, domain, at = cm.Data, "", "data."
	}
	read := func(key string, parse func(string) error) {
		text, ok := values[domain+key]
		if !ok {
			return
		}
		if err := parse(text); err != nil {
			wrong = append(wrong, wrongValue{at + domain + key, err})
		}
	}
	level := func(to **cors.Level) func(string) error {
		return func(s string) error {
			l, err := cors.ParseLevel(s)
			*to = &l
			return err
		}
	}
	read(keyEnforce, level(&e.Level))
	read(keyReportOnly, level(&e.ReportOnly))
	read(keyWithoutRules, func(s string) error {
		rules, err := cors.ParseRules(s)
		e.Without = &rules
		return err
	})
	if r.Kind == KindVirtualService {
		read("trial", func(s string) (err error) {
			e.Trial, err = strconv.ParseBool(s)
			return err
		})
	}
	return e, wrong
}

// enforcementValues refuses settings that cannot be read: what they ask for would
// not be enforced.
func (v *validator) enforcementValues() {
	_, wrong := v.enforcement()
	for _, w := range wrong {
		v.check(w.path, w.err)
	}
	known := []string{AnnotationEnforce, AnnotationReportOnly, AnnotationWithoutRules, AnnotationTrial}
	for _, name := range slices.Sorted(maps.Keys(v.Annotations)) {
		path := "metadata.annotations." + name
		switch vs, _ := v.Spec.(*networking.VirtualService); {
		case vs == nil || !strings.HasPrefix(name, annotationDomain):
		case !slices.Contains(known, name):
			v.errorf(path, "unknown annotation %q%s", clip(name), didYouMean(name, known))
		case len(vs.GetHosts()) == 0:
			v.errorf(path, "the policies of a delegate are enforced as the VirtualService says that delegates to it; write the annotation there")
		}
	}
}

// validateConfigMap looks at the settings for the mesh only; other ConfigMaps are
// none of our business.
func validateConfigMap(v *validator) {
	if v.IsMeshSettings() {
		v.enforcementValues()
		for key := range v.Spec.(*corev1.ConfigMap).Data {
			switch key {
			case keyEnforce, keyReportOnly, keyWithoutRules:
			default:
				v.errorf("data."+key, "unknown key %q%s", clip(key), didYouMean(key, []string{keyEnforce, keyReportOnly, keyWithoutRules}))
			}
		}
	}
}
