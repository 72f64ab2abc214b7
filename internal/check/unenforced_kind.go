package check

import (
	"strings"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// unenforcedKind finds objects that guard something and are not built yet.
func unenforcedKind() *Check {
	return &Check{
		Name: "unenforced-kind",
		Code: CodeUnenforced,
		Doc: "An object such as an AuthorizationPolicy asks for protection that crossgate does not give yet. Serving without it " +
			"would let in what it keeps out, so that it is an error; --allow-unenforced makes it a warning.",
		Run: func(p *Pass) {
			for _, r := range p.Set.All() {
				if guards(r) {
					p.Report(r, "", p.guardSeverity(), "%s is not enforced yet", r.Kind)
				}
			}
		},
	}
}

// guardSeverity is that of protection which is not there.
func (p *Pass) guardSeverity() diag.Severity {
	if p.Options.AllowUnenforced {
		return diag.Warning
	}
	return diag.Error
}

// guards reports whether an object is of a kind that may keep requests out. A
// WasmPlugin may do anything, that among it; an EnvoyFilter too, but its patches
// are applied, and package envoyfilter looks at each.
func guards(r *resource.Resource) bool {
	group, _, _ := strings.Cut(r.APIVersion, "/")
	switch group {
	case "security.istio.io":
		return true
	case "extensions.istio.io":
		return r.Kind == "WasmPlugin" || r.Kind == "TrafficExtension"
	}
	return false
}
