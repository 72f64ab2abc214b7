package translate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// service is something that routes can send requests to: a host with ports and
// endpoints, from a Service, a ServiceEntry or an upstream given by hand.
type service struct {
	*resource.Resource
	host string
	// label is the service's name in the metadata of its clusters: the bare
	// name of a Kubernetes Service, the host of a ServiceEntry.
	label    string
	ports    []servicePort
	external bool
	// resolution NONE, STATIC and DNS as in ServiceEntry.
	resolution networking.ServiceEntry_Resolution
	endpoints  []endpoint
	// upstreams replace the endpoints of ports; 0 is every port.
	upstreams map[uint32]Upstream
}

// servicePort is a port of a service as its clients see it.
type servicePort struct {
	number   uint32
	name     string
	protocol string
}

// endpoint is one address of a service.
type endpoint struct {
	address string
	// ports are the endpoint's ports by the service's port numbers.
	ports  map[uint32]uint32
	labels map[string]string
	weight uint32
	// workload is istiod's description of it for telemetry, may be empty.
	workload string
}

func (s *service) port(number uint32) (servicePort, bool) {
	i := slices.IndexFunc(s.ports, func(p servicePort) bool { return p.number == number })
	if i < 0 {
		return servicePort{}, false
	}
	return s.ports[i], true
}

// upstream returns the upstream given by hand for a port, if any.
func (s *service) upstream(port uint32) (Upstream, bool) {
	if u, ok := s.upstreams[port]; ok {
		return u, true
	}
	u, ok := s.upstreams[0]
	return u, ok
}

// portList names the ports for messages: "80, 8080".
func (s *service) portList() string {
	var b strings.Builder
	for i, p := range s.ports {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprint(&b, p.number)
	}
	return b.String()
}

// registry holds the services by host; sorted, all is in the order of hosts and
// namespaces.
type registry struct {
	all    []*service
	byHost map[string][]*service
}

// find returns the service that a destination in a namespace means: that of
// its own namespace if there is one.
func (g *registry) find(host, namespace string) *service {
	of := g.byHost[host]
	if len(of) == 0 {
		return nil
	}
	for _, s := range of {
		if s.Namespace == namespace {
			return s
		}
	}
	return of[0]
}

func (g *registry) add(s *service) {
	g.byHost[s.host] = append(g.byHost[s.host], s)
	g.all = append(g.all, s)
}

func (g *registry) sort() {
	slices.SortStableFunc(g.all, func(a, b *service) int {
		return cmp.Or(strings.Compare(a.host, b.host), strings.Compare(a.Namespace, b.Namespace))
	})
}

// collectServices returns the services that the node sees.
func (t *translator) collectServices() *registry {
	g := &registry{byHost: make(map[string][]*service)}
	slices := t.slicesByService()
	for _, r := range t.set.Kind("Service") {
		if spec, ok := r.Spec.(*corev1.Service); ok {
			if s := t.kubernetesService(r, spec, slices[r.Key]); s != nil {
				g.add(s)
			}
		}
	}
	for _, r := range t.set.Kind("ServiceEntry") {
		if spec, ok := r.Spec.(*networking.ServiceEntry); ok {
			for _, s := range t.serviceEntry(r, spec) {
				g.add(s)
			}
		}
	}
	return g
}

// exportToAnnotation restricts the visibility of a Kubernetes Service.
const exportToAnnotation = "networking.istio.io/exportTo"

func (t *translator) kubernetesService(r *resource.Resource, spec *corev1.Service, slices []*discoveryv1.EndpointSlice) *service {
	if to := r.Annotations[exportToAnnotation]; to != "" && !t.node.sees(strings.Split(to, ","), r.Namespace) {
		return nil
	}
	if spec.Spec.Type == corev1.ServiceTypeExternalName {
		t.report(diag.Warning, CodeUnsupported, r, "spec.type", "services of type ExternalName are not supported yet; use a ServiceEntry")
		return nil
	}
	s := &service{
		Resource:   r,
		host:       fullName(r.Name, r.Namespace, t.domain),
		label:      r.Name,
		resolution: networking.ServiceEntry_STATIC,
	}
	for _, p := range spec.Spec.Ports {
		if p.Protocol != "" && p.Protocol != corev1.ProtocolTCP {
			continue
		}
		s.ports = append(s.ports, servicePort{number: uint32(p.Port), name: p.Name, protocol: kubernetesProtocol(p)})
	}
	s.endpoints = sliceEndpoints(r, slices, s.ports)
	return s
}

// kubernetesProtocol is Istio's rule: appProtocol, else the part of the port's
// name before the first hyphen.
func kubernetesProtocol(p corev1.ServicePort) string {
	if p.AppProtocol != nil {
		if *p.AppProtocol == "kubernetes.io/h2c" {
			return "HTTP2"
		}
		return strings.ToUpper(*p.AppProtocol)
	}
	name, _, _ := strings.Cut(p.Name, "-")
	return strings.ToUpper(name)
}

func (t *translator) serviceEntry(r *resource.Resource, spec *networking.ServiceEntry) []*service {
	if !t.node.sees(spec.GetExportTo(), r.Namespace) {
		t.report(diag.Info, CodeNotServed, r, "spec.exportTo", "not used here: it is not exported to namespace %s", t.node.Namespace)
		return nil
	}
	if spec.GetResolution() == networking.ServiceEntry_NONE {
		t.report(diag.Warning, CodeUnsupported, r, "spec.resolution",
			"resolution NONE is not supported yet; requests to it are answered 503")
		return nil
	}
	var ports []servicePort
	for _, p := range spec.GetPorts() {
		ports = append(ports, servicePort{number: p.GetNumber(), name: p.GetName(), protocol: strings.ToUpper(p.GetProtocol())})
	}
	endpoints := t.entryEndpoints(r, spec)
	var out []*service
	for _, h := range spec.GetHosts() {
		out = append(out, &service{
			Resource:   r,
			host:       h,
			label:      h,
			ports:      ports,
			external:   spec.GetLocation() == networking.ServiceEntry_MESH_EXTERNAL,
			resolution: spec.GetResolution(),
			endpoints:  orHost(endpoints, h, spec),
		})
	}
	return out
}
