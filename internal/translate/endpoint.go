package translate

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	networking "istio.io/api/networking/v1alpha3"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/crossgate/crossgate/internal/resource"
)

// slicesByService returns the EndpointSlices by the key of their Service.
func (t *translator) slicesByService() map[resource.Key][]*discoveryv1.EndpointSlice {
	out := make(map[resource.Key][]*discoveryv1.EndpointSlice)
	for _, r := range t.set.Kind("EndpointSlice") {
		if slice, ok := r.Spec.(*discoveryv1.EndpointSlice); ok && slice.AddressType != discoveryv1.AddressTypeFQDN {
			k := resource.Key{Kind: "Service", Namespace: r.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}
			out[k] = append(out[k], slice)
		}
	}
	return out
}

// sliceEndpoints returns the endpoints of a Service. Those that are not ready yet
// are unhealthy ones, to which Envoy sends nothing; those that end are left out.
func (t *translator) sliceEndpoints(svc *resource.Resource, slices []*discoveryv1.EndpointSlice, ports []servicePort) []endpoint {
	var out []endpoint
	for _, slice := range slices {
		byService := slicePorts(slice, ports)
		for _, e := range slice.Endpoints {
			health := corev3.HealthStatus_HEALTHY
			if e.Conditions.Ready != nil && !*e.Conditions.Ready {
				if e.Conditions.Terminating == nil || *e.Conditions.Terminating {
					continue
				}
				health = corev3.HealthStatus_UNHEALTHY
			}
			for _, a := range e.Addresses {
				out = append(out, t.podEndpoint(e.TargetRef, svc.Namespace, endpoint{address: a, ports: byService, weight: 1, health: health}))
			}
		}
	}
	return out
}

// slicePorts maps the service's port numbers to the slice's, by name.
func slicePorts(slice *discoveryv1.EndpointSlice, ports []servicePort) map[uint32]uint32 {
	out := make(map[uint32]uint32, len(ports))
	for _, sp := range ports {
		for _, p := range slice.Ports {
			if p.Port != nil && (p.Name == nil && sp.name == "" || p.Name != nil && *p.Name == sp.name) {
				out[sp.number] = uint32(*p.Port)
			}
		}
	}
	return out
}

// podEndpoint adds to an endpoint what is known of its Pod. Where the Pod's
// document is not among the files the endpoint serves without labels; istiod
// waits for the Pod.
func (t *translator) podEndpoint(ref *corev1.ObjectReference, namespace string, e endpoint) endpoint {
	if ref == nil || ref.Name == "" {
		// Addresses without a Pod are nobody's workload.
		e.workload = strings.Join([]string{"", "", "", "", clusterID}, ";")
		return e
	}
	r := t.set.Get(resource.Key{Kind: "Pod", Namespace: cmp.Or(ref.Namespace, namespace), Name: ref.Name})
	if r == nil {
		e.workload = workload(ref.Name, namespace, nil)
		return e
	}
	e.labels, e.tlsMode = r.Labels, r.Labels[tlsModeLabel]
	e.workload = workload(podWorkload(r), r.Namespace, r.Labels)
	if pod, ok := r.Spec.(*corev1.Pod); ok && pod.Spec.ServiceAccountName != "" {
		e.account = t.account(r.Namespace, pod.Spec.ServiceAccountName)
	}
	return e
}

// tlsModeLabel says on workloads whether they have a sidecar.
const tlsModeLabel = "security.istio.io/tlsMode"

// podWorkload names what made a Pod: of a ReplicaSet the Deployment.
func podWorkload(r *resource.Resource) string {
	pod, ok := r.Spec.(*corev1.Pod)
	if !ok {
		return r.Name
	}
	for _, o := range pod.OwnerReferences {
		if o.Controller == nil || !*o.Controller {
			continue
		}
		if hash := r.Labels["pod-template-hash"]; o.Kind == "ReplicaSet" && hash != "" {
			return strings.TrimSuffix(o.Name, "-"+hash)
		}
		return o.Name
	}
	return r.Name
}

// workloadEntry is a WorkloadEntry with the labels of its object.
type workloadEntry struct {
	*resource.Resource
	spec *networking.WorkloadEntry
}

// workloadsOf returns the WorkloadEntries of a namespace that carry labels, by
// name; those whose address is no IP address only where names can be resolved.
func (t *translator) workloadsOf(namespace string, want map[string]string, dns bool) []workloadEntry {
	var out []workloadEntry
	for _, r := range t.set.Kind("WorkloadEntry") {
		spec, ok := r.Spec.(*networking.WorkloadEntry)
		if !ok || r.Namespace != namespace || !dns && spec.GetAddress() != "" && !isIP(spec.GetAddress()) {
			continue
		}
		labels := maps.Clone(spec.GetLabels())
		if labels == nil {
			labels = make(map[string]string)
		}
		maps.Copy(labels, r.Labels)
		if subset(want, labels) {
			out = append(out, workloadEntry{r, withLabels(spec, labels)})
		}
	}
	slices.SortFunc(out, func(a, b workloadEntry) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func withLabels(in *networking.WorkloadEntry, labels map[string]string) *networking.WorkloadEntry {
	return &networking.WorkloadEntry{
		Address: in.GetAddress(), Ports: in.GetPorts(), Labels: labels, Network: in.GetNetwork(),
		Locality: in.GetLocality(), Weight: in.GetWeight(), ServiceAccount: in.GetServiceAccount(),
	}
}

// selectedWorkloads returns the WorkloadEntries that a Service selects beside
// Pods.
func (t *translator) selectedWorkloads(r *resource.Resource, spec *corev1.Service) []endpoint {
	if len(spec.Spec.Selector) == 0 {
		return nil
	}
	var out []endpoint
	for _, w := range t.workloadsOf(r.Namespace, spec.Spec.Selector, false) {
		e := t.workloadEndpoint(w.spec, w.Name, w.Namespace)
		for _, p := range spec.Spec.Ports {
			target := cmp.Or(w.spec.GetPorts()[p.Name], uint32(max(p.TargetPort.IntVal, 0)), uint32(p.Port))
			if name := p.TargetPort.StrVal; name != "" {
				target = w.spec.GetPorts()[name]
			}
			e.ports[uint32(p.Port)] = target
		}
		out = append(out, e)
	}
	return out
}

// entryEndpoints returns the endpoints of a ServiceEntry: those written in it,
// or the WorkloadEntries that it selects.
func (t *translator) entryEndpoints(r *resource.Resource, spec *networking.ServiceEntry) []endpoint {
	var out []endpoint
	add := func(name string, w *networking.WorkloadEntry) {
		e := t.workloadEndpoint(w, name, r.Namespace)
		for _, p := range spec.GetPorts() {
			e.ports[p.GetNumber()] = cmp.Or(w.GetPorts()[p.GetName()], p.GetTargetPort(), p.GetNumber())
		}
		out = append(out, e)
	}
	if spec.GetWorkloadSelector() != nil {
		for _, w := range t.workloadsOf(r.Namespace, spec.GetWorkloadSelector().GetLabels(), resolvesNames(spec)) {
			add(w.Name, w.spec)
		}
		return out
	}
	for i, w := range spec.GetEndpoints() {
		add(fmt.Sprintf("%s-%d", r.Name, i), w)
	}
	return out
}

// workloadEndpoint translates a workload but for its ports.
func (t *translator) workloadEndpoint(e *networking.WorkloadEntry, name, namespace string) endpoint {
	out := endpoint{
		address:  e.GetAddress(),
		ports:    make(map[uint32]uint32),
		labels:   e.GetLabels(),
		weight:   cmp.Or(e.GetWeight(), 1),
		workload: workload(name, namespace, e.GetLabels()),
		tlsMode:  e.GetLabels()[tlsModeLabel],
		locality: cmp.Or(e.GetLocality(), strings.ReplaceAll(e.GetLabels()["istio-locality"], ".", "/")),
	}
	if e.GetServiceAccount() != "" {
		out.account = t.account(namespace, e.GetServiceAccount())
		if _, labelled := e.GetLabels()[tlsModeLabel]; !labelled {
			out.tlsMode = tlsModeIstio
		}
	}
	return out
}

func resolvesNames(spec *networking.ServiceEntry) bool {
	return spec.GetResolution() == networking.ServiceEntry_DNS || spec.GetResolution() == networking.ServiceEntry_DNS_ROUND_ROBIN
}

// orHost gives a DNS service without endpoints its own name as endpoint.
func orHost(endpoints []endpoint, r *resource.Resource, host string, spec *networking.ServiceEntry) []endpoint {
	if len(spec.GetEndpoints()) > 0 || spec.GetWorkloadSelector() != nil || !resolvesNames(spec) {
		return endpoints
	}
	e := endpoint{address: host, ports: make(map[uint32]uint32), weight: 1, workload: workload(r.Name, r.Namespace, nil)}
	for _, p := range spec.GetPorts() {
		e.ports[p.GetNumber()] = cmp.Or(p.GetTargetPort(), p.GetNumber())
	}
	return []endpoint{e}
}

// workload is the text that istiod puts into an endpoint's metadata:
// name;namespace;canonical name;canonical revision;cluster.
func workload(name, namespace string, labels map[string]string) string {
	canonical := cmp.Or(labels["service.istio.io/canonical-name"], labels["app.kubernetes.io/name"], labels["app"], name)
	revision := cmp.Or(labels["service.istio.io/canonical-revision"], labels["app.kubernetes.io/version"], labels["version"])
	if revision == "latest" {
		revision = ""
	}
	return strings.Join([]string{name, namespace, canonical, revision, clusterID}, ";")
}

// clusterID is the name of the cluster that a plain Istio installation uses.
const clusterID = "Kubernetes"

// endpointsFor returns the endpoints of a subset that have a port.
func (s *service) endpointsFor(port servicePort, sub serviceSubset) []endpoint {
	if u, ok := s.upstream(port.number); ok {
		return []endpoint{{address: u.Address, ports: map[uint32]uint32{port.number: u.AddressPort}, weight: 1}}
	}
	var out []endpoint
	for _, e := range s.endpoints {
		if e.ports[port.number] != 0 && subset(sub.labels, e.labels) {
			out = append(out, e)
		}
	}
	return out
}

// loadAssignment lists the endpoints of the cluster by locality. Over EDS names
// cannot be told; Envoy would not resolve them.
func (b *clusterBuilder) loadAssignment(name string) *endpointv3.ClusterLoadAssignment {
	cla := &endpointv3.ClusterLoadAssignment{ClusterName: name}
	groups := make(map[string]*endpointv3.LocalityLbEndpoints)
	kind, _ := b.discoveryType()
	// With a minimum of healthy hosts Envoy's panic mode would send them requests.
	panics := b.policy.GetOutlierDetection().GetMinHealthPercent() > 0
	for _, e := range b.svc.endpointsFor(b.port, b.sub) {
		if kind == edsType && !isIP(e.address) && !strings.HasPrefix(e.address, unixPrefix) {
			continue
		}
		if panics && e.health == corev3.HealthStatus_UNHEALTHY {
			continue
		}
		g := groups[e.locality]
		if g == nil {
			g = &endpointv3.LocalityLbEndpoints{Locality: locality(e.locality), LoadBalancingWeight: wrapperspb.UInt32(0)}
			groups[e.locality] = g
		}
		g.LbEndpoints = append(g.LbEndpoints, b.lbEndpoint(e))
		g.LoadBalancingWeight.Value += min(e.weight, math.MaxUint32-g.LoadBalancingWeight.Value)
	}
	for _, l := range slices.Sorted(maps.Keys(groups)) {
		cla.Endpoints = append(cla.Endpoints, groups[l])
	}
	lb := b.policy.GetLoadBalancer()
	switch zone, local := lb.GetZoneAwareLbSetting(), lb.GetLocalityLbSetting(); {
	case zone != nil && zoneAware(zone):
		byRegion(cla.GetEndpoints(), zone)
	case zone != nil:
	case local.GetDistribute() != nil && (local.GetEnabled() == nil || local.GetEnabled().GetValue()):
		distribute(cla.GetEndpoints(), local.GetDistribute())
	default:
		b.failover(cla.GetEndpoints())
	}
	return cla
}

// failover lets endpoints of other localities wait until those of the gateway's
// own fail, which only outlier detection finds out. The node has no locality, so
// that endpoints without one are nearest (applyLocalityFailover of istiod's
// pilot/pkg/networking/core/loadbalancer).
func (b *clusterBuilder) failover(groups []*endpointv3.LocalityLbEndpoints) {
	setting := b.policy.GetLoadBalancer().GetLocalityLbSetting()
	off := setting.GetEnabled() != nil && !setting.GetEnabled().GetValue()
	if b.policy.GetOutlierDetection() == nil || off || setting.GetDistribute() != nil || len(groups) < 2 {
		return
	}
	near := func(g *endpointv3.LocalityLbEndpoints) bool {
		return g.GetLocality().GetRegion() == "" && g.GetLocality().GetZone() == "" && g.GetLocality().GetSubZone() == ""
	}
	if !slices.ContainsFunc(groups, near) {
		return
	}
	for _, g := range groups {
		if !near(g) {
			g.Priority = 1
		}
	}
}

const unixPrefix = "unix://"

func locality(s string) *corev3.Locality {
	out := &corev3.Locality{}
	out.Region, s, _ = strings.Cut(s, "/")
	out.Zone, s, _ = strings.Cut(s, "/")
	out.SubZone, _, _ = strings.Cut(s, "/")
	return out
}

// endpointTLS returns the settings by which endpoints are marked as having a
// sidecar. Other than those of the cluster, they are inherited by ports.
func (b *clusterBuilder) endpointTLS() *networking.ClientTLSSettings {
	if b.rule == nil {
		return nil
	}
	for _, p := range []*networking.TrafficPolicy{b.sub.policy, b.rule.policy} {
		for _, s := range p.GetPortLevelSettings() {
			if s.GetPort().GetNumber() == b.port.number && s.GetTls() != nil {
				return s.GetTls()
			}
		}
		if p.GetTls() != nil {
			return p.GetTls()
		}
	}
	return nil
}

func (b *clusterBuilder) lbEndpoint(e endpoint) *endpointv3.LbEndpoint {
	address := socketAddress(e.address, e.ports[b.port.number])
	if path, ok := strings.CutPrefix(e.address, unixPrefix); ok {
		address = &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: path}}}
	}
	out := &endpointv3.LbEndpoint{
		HostIdentifier:      &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: address}},
		LoadBalancingWeight: wrapperspb.UInt32(e.weight),
		HealthStatus:        e.health,
	}
	meta := make(map[string]*structpb.Struct)
	if e.workload != "" {
		meta["istio"] = &structpb.Struct{Fields: map[string]*structpb.Value{"workload": structpb.NewStringValue(e.workload)}}
	}
	if tls := b.endpointTLS(); e.tlsMode == tlsModeIstio && (tls == nil || tls.GetMode() == networking.ClientTLSSettings_ISTIO_MUTUAL) {
		meta["envoy.transport_socket_match"] = tlsModeStruct()
	}
	if len(meta) > 0 {
		out.Metadata = &corev3.Metadata{FilterMetadata: meta}
	}
	return out
}
