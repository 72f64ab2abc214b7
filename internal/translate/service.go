package translate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
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
	// entry: it comes from a ServiceEntry.
	entry bool
	// alias is the host that stands for this one, empty for none (ExternalName).
	alias string
	// resolution as in ServiceEntry; NONE is also that of headless Services.
	resolution networking.ServiceEntry_Resolution
	endpoints  []endpoint
	// accounts are the identities that its workloads may have.
	accounts []string
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
	// tlsMode is "istio" for endpoints with a sidecar.
	tlsMode string
	// account is the identity of the workload, empty if it is not known.
	account string
	// locality is region/zone/subzone, or a part of it.
	locality string
	// health is what Kubernetes says; of other endpoints nobody says.
	health corev3.HealthStatus
}

// takesTraffic reports whether requests may go to the endpoint.
func (e endpoint) takesTraffic() bool { return e.health != corev3.HealthStatus_UNHEALTHY }

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

// add adds a service. What a ServiceEntry says about a host that its namespace
// has already adds ports and endpoints to it.
func (g *registry) add(s *service) {
	for _, have := range g.byHost[s.host] {
		if have.Namespace == s.Namespace {
			have.join(s)
			return
		}
	}
	g.byHost[s.host] = append(g.byHost[s.host], s)
	g.all = append(g.all, s)
}

func (s *service) join(o *service) {
	for _, p := range o.ports {
		if _, ok := s.port(p.number); !ok {
			s.ports = append(s.ports, p)
		}
	}
	s.endpoints = append(slices.Clone(s.endpoints), o.endpoints...)
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
	s := &service{
		Resource:   r,
		host:       fullName(r.Name, r.Namespace, t.domain),
		label:      r.Name,
		resolution: networking.ServiceEntry_STATIC,
		accounts:   t.annotatedAccounts(r),
	}
	if spec.Spec.Type == corev1.ServiceTypeExternalName {
		s.alias = spec.Spec.ExternalName
	} else if spec.Spec.ClusterIP == corev1.ClusterIPNone {
		s.resolution = networking.ServiceEntry_NONE
	}
	for _, p := range spec.Spec.Ports {
		if p.Protocol == corev1.ProtocolUDP {
			continue
		}
		s.ports = append(s.ports, servicePort{number: uint32(p.Port), name: p.Name, protocol: kubernetesProtocol(p)})
	}
	s.endpoints = append(t.sliceEndpoints(r, slices, s.ports), t.selectedWorkloads(r, spec)...)
	return s
}

// annotatedAccounts are the identities that annotations of a Service give.
func (t *translator) annotatedAccounts(r *resource.Resource) []string {
	var out []string
	if names := r.Annotations["alpha.istio.io/canonical-serviceaccounts"]; names != "" {
		out = append(out, strings.Split(names, ",")...)
	}
	if names := r.Annotations["alpha.istio.io/kubernetes-serviceaccounts"]; names != "" {
		for name := range strings.SplitSeq(names, ",") {
			out = append(out, t.account(r.Namespace, name))
		}
	}
	return out
}

// account is the identity of a service account in the mesh.
func (t *translator) account(namespace, name string) string {
	return "spiffe://" + t.domain + "/ns/" + namespace + "/sa/" + name
}

// identities are the names that the certificates of the workloads may carry.
func (s *service) identities() []string {
	out := slices.Clone(s.accounts)
	for _, e := range s.endpoints {
		if e.account != "" {
			out = append(out, e.account)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// kubernetesProtocol is Istio's rule: appProtocol, else the part of the port's
// name before the first hyphen (ConvertProtocol in its pkg/config/kube).
func kubernetesProtocol(p corev1.ServicePort) string {
	name := p.Name
	if p.AppProtocol != nil {
		switch name = *p.AppProtocol; name {
		case "kubernetes.io/h2c":
			return "HTTP2"
		case "kubernetes.io/ws":
			return "HTTP"
		case "kubernetes.io/wss":
			return "HTTPS"
		}
	}
	if len(name) >= len(grpcWeb) && strings.EqualFold(name[:len(grpcWeb)], grpcWeb) {
		return grpcWeb
	}
	name, _, _ = strings.Cut(name, "-")
	return strings.ToUpper(name)
}

const grpcWeb = "GRPC-WEB"

func (t *translator) serviceEntry(r *resource.Resource, spec *networking.ServiceEntry) []*service {
	if !t.node.sees(spec.GetExportTo(), r.Namespace) {
		t.report(diag.Info, CodeNotServed, r, "spec.exportTo", "not used here: it is not exported to namespace %s", t.node.Namespace)
		return nil
	}
	var ports []servicePort
	for _, p := range spec.GetPorts() {
		if strings.EqualFold(p.GetProtocol(), "UDP") {
			continue
		}
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
			entry:      true,
			resolution: spec.GetResolution(),
			endpoints:  orHost(endpoints, r, h, spec),
			accounts:   spec.GetSubjectAltNames(),
		})
	}
	return out
}
