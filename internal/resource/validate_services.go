package resource

import (
	"fmt"
	"net/netip"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

func validateDestinationRule(v *validator) {
	dr := v.Spec.(*networking.DestinationRule)
	v.check("spec.host", wildcardDomain(dr.Host))
	v.trafficPolicy(dr.TrafficPolicy, "spec.trafficPolicy")
	names := make(map[string]bool)
	for i, s := range dr.Subsets {
		path := at("spec.subsets", i)
		switch {
		case !isLabel(s.Name):
			v.errorf(path+".name", "%q is not a subset name", s.Name)
		case names[s.Name]:
			v.errorf(path+".name", "the subset %q is defined twice", s.Name)
		}
		names[s.Name] = true
		v.check(path+".labels", validLabels(s.Labels))
		v.trafficPolicy(s.TrafficPolicy, path+".trafficPolicy")
	}
	v.exportTo(dr.ExportTo)
}

func (v *validator) trafficPolicy(p *networking.TrafficPolicy, path string) {
	if p == nil {
		return
	}
	if p.LoadBalancer == nil && p.ConnectionPool == nil && p.OutlierDetection == nil && p.Tls == nil &&
		len(p.PortLevelSettings) == 0 && p.Tunnel == nil && p.ProxyProtocol == nil && p.RetryBudget == nil {
		v.errorf(path, "a traffic policy needs a setting")
	}
	v.clientTLS(p.Tls, path+".tls")
	for i, s := range p.PortLevelSettings {
		q := at(path+".portLevelSettings", i)
		if s.Port == nil {
			v.errorf(q+".port", "settings of a port need the port")
		} else {
			v.check(q+".port.number", port(s.Port.Number))
		}
		v.clientTLS(s.Tls, q+".tls")
	}
}

func (v *validator) clientTLS(tls *networking.ClientTLSSettings, path string) {
	if tls.GetMode() != networking.ClientTLSSettings_MUTUAL || tls.CredentialName != "" {
		return
	}
	if tls.ClientCertificate == "" || tls.PrivateKey == "" {
		v.errorf(path, "MUTUAL needs clientCertificate and privateKey, or credentialName")
	}
}

func validateServiceEntry(v *validator) {
	se := v.Spec.(*networking.ServiceEntry)
	if se.WorkloadSelector != nil && len(se.Endpoints) > 0 {
		v.errorf("spec.workloadSelector", "a ServiceEntry has workloadSelector or endpoints, not both")
	}
	if len(se.Hosts) == 0 {
		v.errorf("spec.hosts", "a ServiceEntry needs a host")
	}
	for i, h := range se.Hosts {
		if h == "*" {
			v.errorf(at("spec.hosts", i), `the host "*" is not allowed`)
			continue
		}
		v.check(at("spec.hosts", i), wildcardDomain(h))
	}
	v.addresses(se)
	ports := v.servicePorts(se)
	v.resolution(se, ports)
	v.exportTo(se.ExportTo)
}

func (v *validator) addresses(se *networking.ServiceEntry) {
	for i, a := range se.Addresses {
		path := at("spec.addresses", i)
		if !strings.Contains(a, "/") {
			if !isIP(a) {
				v.errorf(path, "%q is not an IP address", a)
			}
			continue
		}
		if _, err := netip.ParsePrefix(a); err != nil {
			v.errorf(path, "%q is not a CIDR block", a)
		}
		if se.Resolution != networking.ServiceEntry_NONE && se.Resolution != networking.ServiceEntry_STATIC {
			v.errorf(path, "CIDR blocks need resolution NONE or STATIC")
		}
	}
}

func (v *validator) servicePorts(se *networking.ServiceEntry) map[string]bool {
	names, numbers := make(map[string]bool), make(map[uint32]bool)
	for i, p := range se.Ports {
		path := at("spec.ports", i)
		switch {
		case !isLabel(p.Name):
			v.errorf(path+".name", "%q is not a port name", p.Name)
		case names[p.Name]:
			v.errorf(path+".name", "the port name %q is used twice", p.Name)
		}
		if numbers[p.Number] {
			v.errorf(path+".number", "the port %d is used twice", p.Number)
		}
		names[p.Name], numbers[p.Number] = true, true
		v.check(path+".number", port(p.Number))
		if p.TargetPort != 0 {
			v.check(path+".targetPort", port(p.TargetPort))
		}
		protocol := protocolOf(p.Protocol)
		if p.Protocol != "" && protocol == protocolUnknown {
			v.errorf(path+".protocol", "the protocol %q is unknown", p.Protocol)
		}
		if se.Resolution != networking.ServiceEntry_NONE && len(se.Hosts) > 1 && protocol != protocolHTTP && protocol != protocolTLS {
			v.errorf(path+".protocol", "several hosts need ports of HTTP or TLS, which tell hosts apart")
		}
	}
	return names
}

func (v *validator) resolution(se *networking.ServiceEntry, ports map[string]bool) {
	fqdn := true
	switch se.Resolution {
	case networking.ServiceEntry_NONE:
		if len(se.Endpoints) > 0 {
			v.errorf("spec.endpoints", "resolution NONE has no endpoints")
		}
		return
	case networking.ServiceEntry_STATIC:
		fqdn = false
	case networking.ServiceEntry_DNS, networking.ServiceEntry_DNS_ROUND_ROBIN:
		if len(se.Endpoints) > 1 && se.Resolution == networking.ServiceEntry_DNS_ROUND_ROBIN {
			v.errorf("spec.endpoints", "resolution DNS_ROUND_ROBIN has one endpoint at most")
		}
		for i, h := range se.Hosts {
			if len(se.Endpoints) == 0 && domain(h) != nil {
				v.errorf(at("spec.hosts", i), "%q cannot be resolved; give endpoints or a full host name", h)
			}
		}
	}
	for i, e := range se.Endpoints {
		v.endpoint(e, ports, fqdn, at("spec.endpoints", i))
	}
}

func validateWorkloadEntry(v *validator) {
	v.endpoint(v.Spec.(*networking.WorkloadEntry), nil, true, "spec")
}

// endpoint checks a workload; ports are the names its service defines, nil when
// they are not known.
func (v *validator) endpoint(e *networking.WorkloadEntry, ports map[string]bool, fqdn bool, path string) {
	socket, unix := strings.CutPrefix(e.Address, unixPrefix)
	switch {
	case e.Address == "" && e.Network == "":
		v.errorf(path+".address", "an address is required")
	case unix && (socket == "" || len(e.Ports) > 0 || ports != nil && len(ports) != 1):
		v.errorf(path+".address", "a unix endpoint needs a path, no ports, and one service port")
	case !unix && e.Address != "" && !isIP(e.Address) && (!fqdn || domain(e.Address) != nil):
		want := "an IP address"
		if fqdn {
			want = "an IP address or a host name"
		}
		v.errorf(path+".address", "%q is not %s", e.Address, want)
	}
	for name, number := range e.Ports {
		p := join(path+".ports", name)
		if ports != nil && !ports[name] {
			v.check(p, fmt.Errorf("the service has no port named %q", name))
		}
		if !isLabel(name) {
			v.errorf(p, "%q is not a port name", name)
		}
		v.check(p, port(number))
	}
	v.check(path+".labels", validLabels(e.Labels))
}
