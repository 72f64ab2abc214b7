package check

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// schemaWarning finds what istiod accepts with a warning: the warnings of istio's
// pkg/config/validation for the kinds that crossgate serves.
func schemaWarning() *Check {
	return &Check{
		Name: "schema-warning",
		Code: CodeSchemaWarning,
		Doc: "The object is accepted, and something in it is deprecated, without effect or at risk; the message says what. An EnvoyFilter always has " +
			"this finding: it depends on the insides of the proxy, which change from version to version.",
		Run: func(p *Pass) {
			for _, r := range p.Set.All() {
				switch spec := r.Spec.(type) {
				case *networking.EnvoyFilter:
					p.envoyFilterWarnings(r, spec)
				case *networking.Gateway:
					p.gatewayWarnings(r, spec)
				case *networking.VirtualService:
					p.virtualServiceWarnings(r, spec)
				case *networking.DestinationRule:
					p.destinationRuleWarnings(r, spec)
				case *networking.ServiceEntry:
					p.serviceEntryWarnings(r, spec)
				case *networking.WorkloadEntry:
					p.workloadWarnings(r, spec, "spec")
				}
			}
		},
	}
}

func (p *Pass) gatewayWarnings(r *resource.Resource, gw *networking.Gateway) {
	for i, s := range gw.Servers {
		tls := s.GetTls()
		if tls == nil {
			continue
		}
		path := fmt.Sprintf("spec.servers[%d].tls", i)
		if tls.HttpsRedirect && !plainHTTP(s.GetPort().GetProtocol()) {
			p.Report(r, path+".httpsRedirect", diag.Warning, "a redirect to HTTPS has an effect on servers of the protocol HTTP only")
		}
		old := tls.MinProtocolVersion == networking.ServerTLSSettings_TLSV1_0 || tls.MinProtocolVersion == networking.ServerTLSSettings_TLSV1_1
		if old && len(tls.CipherSuites) == 0 {
			p.Report(r, path+".minProtocolVersion", diag.Warning, "a version below TLSV1_2 needs cipherSuites, for the default ones are not for it")
		}
		if n := len(tls.TlsCertificates); n > 2 {
			p.Report(r, path+".tlsCertificates", diag.Warning, "%d certificates; Istio knows two, of different kinds", n)
		}
		p.cipherWarnings(r, tls.CipherSuites, path+".cipherSuites")
		passes := tls.Mode == networking.ServerTLSSettings_PASSTHROUGH || tls.Mode == networking.ServerTLSSettings_AUTO_PASSTHROUGH
		if passes && (tls.CaCrl != "" || tls.CaCertificates != "" || tls.ServerCertificate != "" || tls.PrivateKey != "" ||
			tls.CredentialName != "" || len(tls.CredentialNames)+len(tls.TlsCertificates) > 0) {
			p.Report(r, path, diag.Warning, "%s uses no certificates; those named here have no effect", tls.Mode)
		}
	}
}

// cipherWarnings finds suites without effect.
func (p *Pass) cipherWarnings(r *resource.Resource, suites []string, path string) {
	for i, name := range suites {
		switch {
		case !resource.IsCipherSuite(name):
			p.Report(r, fmt.Sprintf("%s[%d]", path, i), diag.Warning, "%q is no cipher suite that Envoy knows; it is ignored, as by istiod", name)
		case slices.Contains(suites[:i], name):
			p.Report(r, fmt.Sprintf("%s[%d]", path, i), diag.Warning, "the cipher suite %q is there twice", name)
		}
	}
}

// plainHTTP reports whether a port speaks HTTP without TLS.
func plainHTTP(protocol string) bool {
	switch strings.ToUpper(protocol) {
	case "HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTP_PROXY":
		return true
	}
	return false
}

// largeBody is what Istio calls a large direct response, in bytes.
const largeBody = 100 << 10

func (p *Pass) virtualServiceWarnings(r *resource.Resource, vs *networking.VirtualService) {
	p.gatewayNameWarnings(r, vs.Gateways, "spec.gateways")
	p.l4Warnings(r, vs)
	for i, route := range vs.Http {
		path := fmt.Sprintf("spec.http[%d]", i)
		for j, m := range route.Match {
			p.gatewayNameWarnings(r, m.Gateways, fmt.Sprintf("%s.match[%d].gateways", path, j))
		}
		if route.MirrorPercent != nil { //nolint:staticcheck // that it is deprecated is the finding
			p.Report(r, path+".mirrorPercent", diag.Warning, "deprecated; write mirrorPercentage: {value: …}")
		}
		if abort := route.GetFault().GetAbort(); abort != nil && abort.ErrorType == nil {
			p.Report(r, path+".fault.abort", diag.Warning, "it says not with what to abort, and so has no effect; write httpStatus")
		}
		body := route.GetDirectResponse().GetBody()
		if n := max(len(body.GetString_()), len(body.GetBytes())); n > largeBody {
			p.Report(r, path+".directResponse.body", diag.Warning, "a body of %d bytes is sent to every proxy with each change of its routes", n)
		}
	}
}

// gatewayNameWarnings finds the old form of names, up to the first name that has
// it: istiod looks no further.
func (p *Pass) gatewayNameWarnings(r *resource.Resource, names []string, path string) {
	for i, name := range names {
		if strings.Contains(name, "/") {
			continue
		}
		if parts := strings.Split(name, "."); len(parts) > 1 {
			p.Report(r, fmt.Sprintf("%s[%d]", path, i), diag.Warning, "the old form of a Gateway's name; write %s/%s", parts[1], parts[0])
		}
		return
	}
}

// l4Warnings finds them in the matches of TLS and TCP.
func (p *Pass) l4Warnings(r *resource.Resource, vs *networking.VirtualService) {
	for i, route := range vs.Tls {
		for j, m := range route.Match {
			path := fmt.Sprintf("spec.tls[%d].match[%d]", i, j)
			p.gatewayNameWarnings(r, m.Gateways, path+".gateways")
			for k, host := range m.SniHosts {
				if _, err := netip.ParseAddr(host); err == nil {
					p.Report(r, fmt.Sprintf("%s.sniHosts[%d]", path, k), diag.Warning, "an IP address is not a name that clients send in TLS (RFC 6066, section 3)")
				}
			}
		}
	}
	for i, route := range vs.Tcp {
		for j, m := range route.Match {
			p.gatewayNameWarnings(r, m.Gateways, fmt.Sprintf("spec.tcp[%d].match[%d].gateways", i, j))
		}
	}
}

func (p *Pass) destinationRuleWarnings(r *resource.Resource, dr *networking.DestinationRule) {
	policy := func(path string, o *networking.OutlierDetection, lb *networking.LoadBalancerSettings) {
		if o.GetConsecutiveErrors() != 0 { //nolint:staticcheck // that it is deprecated is the finding
			p.Report(r, path+".outlierDetection.consecutiveErrors", diag.Warning, "deprecated; write consecutive5xxErrors or consecutiveGatewayErrors")
		}
		if lb.GetConsistentHash().GetMinimumRingSize() != 0 { //nolint:staticcheck // that it is deprecated is the finding
			p.Report(r, path+".loadBalancer.consistentHash.minimumRingSize", diag.Warning, "deprecated; write ringHash: {minimumRingSize: …}")
		}
		if l := lb.GetLocalityLbSetting(); o == nil && len(l.GetFailover())+len(l.GetFailoverPriority()) > 0 {
			p.Report(r, path+".loadBalancer.localityLbSetting", diag.Warning, "without outlierDetection no endpoint fails, and nothing fails over")
		}
		if z := lb.GetZoneAwareLbSetting(); o == nil && len(z.GetFailover())+len(z.GetFailoverPriority()) > 0 {
			p.Report(r, path+".loadBalancer.zoneAwareLbSetting", diag.Warning, "without outlierDetection no endpoint fails, and nothing fails over")
		}
	}
	traffic := func(path string, t *networking.TrafficPolicy) {
		policy(path, t.GetOutlierDetection(), t.GetLoadBalancer())
		for i, s := range t.GetPortLevelSettings() {
			policy(fmt.Sprintf("%s.portLevelSettings[%d]", path, i), s.GetOutlierDetection(), s.GetLoadBalancer())
		}
	}
	if s := dr.WorkloadSelector; s != nil && len(s.MatchLabels) == 0 {
		p.Report(r, "spec.workloadSelector", diag.Warning, "a selector without labels is for all workloads of the namespace")
	}
	traffic("spec.trafficPolicy", dr.TrafficPolicy)
	for i, s := range dr.Subsets {
		traffic(fmt.Sprintf("spec.subsets[%d].trafficPolicy", i), s.GetTrafficPolicy())
	}
}
