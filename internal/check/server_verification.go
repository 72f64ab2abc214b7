package check

import (
	"fmt"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

func serverVerification() *Check {
	return &Check{
		Name: "server-verification",
		Code: CodeServerVerification,
		Doc: "A DestinationRule turns on TLS to a service without caCertificates, so that a proxy does not verify the service's certificate. " +
			"Name a file of CA certificates, or a credentialName together with a workloadSelector.",
		Run: func(p *Pass) {
			for _, r := range p.Set.Kind(resource.KindDestinationRule) {
				dr := r.Spec.(*networking.DestinationRule)
				if tls := dr.GetTrafficPolicy().GetTls(); unverified(dr, tls) {
					p.Report(r, "spec.trafficPolicy.tls", diag.Warning, "the certificate of %s is not verified: %s without caCertificates", dr.Host, tls.Mode)
				}
			}
		},
	}
}

func portServerVerification() *Check {
	return &Check{
		Name: "port-server-verification",
		Code: CodePortServerVerification,
		Doc: "A DestinationRule turns on TLS to a port of a service without caCertificates, so that a proxy does not verify the service's " +
			"certificate. Name a file of CA certificates, or a credentialName together with a workloadSelector.",
		Run: func(p *Pass) {
			for _, r := range p.Set.Kind(resource.KindDestinationRule) {
				dr := r.Spec.(*networking.DestinationRule)
				for i, port := range dr.GetTrafficPolicy().GetPortLevelSettings() {
					if unverified(dr, port.GetTls()) {
						p.Report(r, fmt.Sprintf("spec.trafficPolicy.portLevelSettings[%d].tls", i), diag.Warning,
							"the certificate of %s is not verified on port %d: %s without caCertificates", dr.Host, port.GetPort().GetNumber(), port.Tls.Mode)
					}
				}
			}
		},
	}
}

// unverified reports whether TLS to a service takes any certificate, as
// CaCertificateAnalyzer of istio's pkg/config/analysis decides it.
func unverified(dr *networking.DestinationRule, tls *networking.ClientTLSSettings) bool {
	switch tls.GetMode() {
	case networking.ClientTLSSettings_SIMPLE, networking.ClientTLSSettings_MUTUAL:
	default:
		return false
	}
	return tls.CaCertificates == "" && (tls.CredentialName == "" || dr.WorkloadSelector == nil)
}
