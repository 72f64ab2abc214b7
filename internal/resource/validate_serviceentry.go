package resource

import (
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

func validateServiceEntry(v *validator) {
	se := v.Spec.(*networking.ServiceEntry)
	v.selector(se.WorkloadSelector.GetLabels(), "spec.workloadSelector.labels")
	if se.WorkloadSelector != nil && se.Endpoints != nil {
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
		v.check(path, subnet(a))
		if strings.Contains(a, "/") && se.Resolution != networking.ServiceEntry_NONE && se.Resolution != networking.ServiceEntry_STATIC {
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
	switch se.Resolution {
	case networking.ServiceEntry_NONE:
		if len(se.Endpoints) > 0 {
			v.errorf("spec.endpoints", "resolution NONE has no endpoints")
		}
	case networking.ServiceEntry_STATIC:
		for i, e := range se.Endpoints {
			v.workload(e, ports, false, at("spec.endpoints", i))
		}
	case networking.ServiceEntry_DYNAMIC_DNS:
		v.dynamicDNS(se)
	default:
		v.dns(se, ports)
	}
}

func (v *validator) dns(se *networking.ServiceEntry, ports map[string]bool) {
	for i, h := range se.Hosts {
		if len(se.Endpoints) == 0 && domain(h) != nil {
			v.errorf(at("spec.hosts", i), "%q cannot be resolved; give endpoints or a full host name", h)
		}
	}
	if len(se.Endpoints) > 1 && se.Resolution == networking.ServiceEntry_DNS_ROUND_ROBIN {
		v.errorf("spec.endpoints", "resolution DNS_ROUND_ROBIN has one endpoint at most")
	}
	for i, e := range se.Endpoints {
		path := at("spec.endpoints", i)
		if !isIP(e.Address) && domain(e.Address) != nil {
			v.errorf(path+".address", "%s is not an IP address or a host name", quote(e.Address))
		}
		v.endpointPorts(e, ports, path)
	}
}

// dynamicDNS checks an entry whose names are resolved for each request.
func (v *validator) dynamicDNS(se *networking.ServiceEntry) {
	for i, h := range se.Hosts {
		if !strings.HasPrefix(h, "*") {
			v.errorf(at("spec.hosts", i), "resolution DYNAMIC_DNS is for hosts with a wildcard")
		}
	}
	if len(se.Addresses) > 0 {
		v.errorf("spec.addresses", "resolution DYNAMIC_DNS has no addresses: they come from the name of each request")
	}
	if len(se.Endpoints) > 0 {
		v.errorf("spec.endpoints", "resolution DYNAMIC_DNS has no endpoints: they come from the name of each request")
	}
	for i, p := range se.Ports {
		switch strings.ToLower(p.Protocol) {
		case "http", "tls", "grpc", "http2":
		default:
			v.errorf(at("spec.ports", i)+".protocol", "resolution DYNAMIC_DNS is for ports of HTTP, HTTP2, GRPC and TLS")
		}
	}
	waypoint := v.Labels["istio.io/use-waypoint"]
	if se.Location == networking.ServiceEntry_MESH_INTERNAL && waypoint != "" && !strings.EqualFold(waypoint, "none") {
		v.errorf("spec.location", "MESH_INTERNAL with resolution DYNAMIC_DNS cannot be behind a waypoint")
	}
}

func validateWorkloadEntry(v *validator) {
	v.workload(v.Spec.(*networking.WorkloadEntry), nil, true, "spec")
}

// workload checks an endpoint that may be a unix socket; ports are the names that
// its service defines, nil when they are not known.
func (v *validator) workload(e *networking.WorkloadEntry, ports map[string]bool, fqdn bool, path string) {
	socket, unix := strings.CutPrefix(e.Address, unixPrefix)
	switch {
	case e.Address == "" && e.Network == "":
		v.errorf(path+".address", "an address is required")
		return
	case unix:
		v.check(path+".address", socketPath(socket))
		if len(e.Ports) > 0 || ports != nil && len(ports) != 1 {
			v.errorf(path+".address", "a unix endpoint needs no ports of its own, and one port of the service")
		}
	case e.Address != "" && !isIP(e.Address) && (!fqdn || domain(e.Address) != nil):
		want := "an IP address"
		if fqdn {
			want = "an IP address or a host name"
		}
		v.errorf(path+".address", "%s is not %s", quote(e.Address), want)
	}
	v.endpointPorts(e, ports, path)
}

func (v *validator) endpointPorts(e *networking.WorkloadEntry, ports map[string]bool, path string) {
	for name, number := range e.Ports {
		p := join(path+".ports", name)
		if ports != nil && !ports[name] {
			v.errorf(p, "the service has no port named %s", quote(name))
		}
		if !isLabel(name) {
			v.errorf(p, "%s is not a port name", quote(name))
		}
		v.check(p, port(number))
	}
	v.check(path+".labels", validLabels(e.Labels))
}
