package check

import (
	"fmt"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// deprecated finds fields that Istio has replaced, as FieldAnalyzer of istio's
// pkg/config/analysis does.
func deprecated() *Check {
	return &Check{
		Name: "deprecated",
		Code: CodeDeprecated,
		Doc:  "A field is deprecated: write the one that replaces it. Those that istiod warns of itself have the code IST0133.",
		Run: func(p *Pass) {
			for _, r := range p.Set.Kind(resource.KindVirtualService) {
				for i, route := range r.Spec.(*networking.VirtualService).Http {
					if route.GetFault().GetDelay().GetPercent() > 0 { //nolint:staticcheck // that it is deprecated is the finding
						p.Report(r, fmt.Sprintf("spec.http[%d].fault.delay.percent", i), diag.Warning, "deprecated; write percentage: {value: …}")
					}
				}
			}
		},
	}
}
