package cli

import (
	"regexp"
	"slices"
	"strings"

	"github.com/crossgate/crossgate/internal/diag"
)

// findingFilter says which findings count.
type findingFilter struct {
	namespace  string // empty: all
	suppressed []suppression
	threshold  diag.Severity
}

// suppression leaves out findings of a code on objects of one pattern.
type suppression struct {
	code   *regexp.Regexp
	object *regexp.Regexp
}

func (f *analyzeFlags) filter(namespaced bool) (*findingFilter, error) {
	out := new(findingFilter)
	if namespaced && !f.all {
		out.namespace = f.input.namespace
	}
	if err := out.threshold.UnmarshalText([]byte(f.threshold)); err != nil {
		return nil, usagef("--failure-threshold: %w", err)
	}
	for _, s := range f.suppress {
		code, object, ok := strings.Cut(s, "=")
		kind, name, named := strings.Cut(object, " ")
		if !ok || !named || code == "" {
			return nil, usagef("--suppress %s: want CODE=KIND NAME.NAMESPACE, as in %q", s, "IST0132=VirtualService api.production")
		}
		out.suppressed = append(out.suppressed, suppression{wildcard(code), wildcard(kind + " " + name)})
	}
	return out, nil
}

// wildcard compiles a pattern in which * stands for any text.
func wildcard(pattern string) *regexp.Regexp {
	parts := strings.Split(pattern, "*")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + "$")
}

func (f *findingFilter) apply(l diag.List) diag.List {
	return slices.DeleteFunc(slices.Clone(l), func(d diag.Diagnostic) bool {
		kind, name, _ := strings.Cut(d.Object, " ")
		namespace, name, ok := strings.Cut(name, "/")
		object := kind + " " + name + "." + namespace
		if !ok { // It has no namespace, or is about no object.
			object, namespace = kind+" "+namespace, ""
		}
		if f.namespace != "" && namespace != "" && namespace != f.namespace {
			return true
		}
		return slices.ContainsFunc(f.suppressed, func(s suppression) bool {
			return s.code.MatchString(d.Code) && s.object.MatchString(object)
		})
	})
}

func (f *findingFilter) fails(l diag.List) bool {
	return slices.ContainsFunc(l, func(d diag.Diagnostic) bool { return d.Severity <= f.threshold })
}
