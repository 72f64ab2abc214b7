package check

import (
	"fmt"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// serviceAddress finds services of TCP that sidecars cannot tell apart, as
// ProtocolAddressesAnalyzer of istio's pkg/config/analysis does.
func serviceAddress() *Check {
	return &Check{
		Name: "service-address",
		Code: CodeServiceAddress,
		Doc: "A ServiceEntry has a port of TCP, or of no protocol, and no addresses: sidecars know such a service by its address alone. Write " +
			"addresses, or the protocol if it is HTTP or TLS. On a gateway it makes no difference.",
		Run: func(p *Pass) {
			for _, r := range p.Set.Kind(resource.KindServiceEntry) {
				se := r.Spec.(*networking.ServiceEntry)
				if se.Addresses != nil {
					continue
				}
				for i, port := range se.Ports {
					if port.GetProtocol() == "" || strings.EqualFold(port.GetProtocol(), "TCP") {
						p.Report(r, fmt.Sprintf("spec.ports[%d]", i), diag.Warning, "sidecars know a service of TCP by its address alone, and there are no addresses")
						break
					}
				}
			}
		},
	}
}
