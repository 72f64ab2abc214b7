package check

import (
	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// noEffect says which objects do nothing here, so that nobody waits for it.
func noEffect() *Check {
	return &Check{
		Name: "no-effect",
		Code: CodeNoEffect,
		Doc: "The object is of a kind that has no effect on the traffic of a gateway that crossgate runs: workloads, monitoring, " +
			"kinds of other projects. There is nothing to repair.",
		Run: func(p *Pass) {
			for _, r := range p.Set.All() {
				if guards(r) || hasEffect(r) {
					continue
				}
				p.Report(r, "", diag.Info, "%s (%s) has no effect on traffic here", r.Kind, r.APIVersion)
			}
		},
	}
}

func hasEffect(r *resource.Resource) bool {
	return r.Spec != nil && r.Kind != resource.KindSidecar && (r.Kind != resource.KindConfigMap || r.IsMeshSettings())
}
