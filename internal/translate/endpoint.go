package translate

import (
	"cmp"
	"fmt"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// slicesByService returns the EndpointSlices by the key of their Service.
func (t *translator) slicesByService() map[resource.Key][]*discoveryv1.EndpointSlice {
	out := make(map[resource.Key][]*discoveryv1.EndpointSlice)
	for _, r := range t.set.Kind("EndpointSlice") {
		if slice, ok := r.Spec.(*discoveryv1.EndpointSlice); ok {
			k := resource.Key{Kind: "Service", Namespace: r.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}
			out[k] = append(out[k], slice)
		}
	}
	return out
}

// sliceEndpoints returns the ready endpoints of a Service.
func sliceEndpoints(svc *resource.Resource, slices []*discoveryv1.EndpointSlice, ports []servicePort) []endpoint {
	var out []endpoint
	for _, slice := range slices {
		byService := slicePorts(slice, ports)
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready != nil && !*e.Conditions.Ready {
				continue
			}
			// Kubernetes defines the first address only.
			if len(e.Addresses) > 0 {
				out = append(out, endpoint{address: e.Addresses[0], ports: byService, weight: 1, workload: podWorkload(e.TargetRef, svc.Namespace)})
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

func podWorkload(ref *corev1.ObjectReference, namespace string) string {
	if ref == nil || ref.Name == "" {
		return ""
	}
	return workload(ref.Name, namespace, nil)
}

// entryEndpoints returns the endpoints of a ServiceEntry: those written in it,
// or the WorkloadEntries that it selects.
func (t *translator) entryEndpoints(r *resource.Resource, spec *networking.ServiceEntry) []endpoint {
	var out []endpoint
	add := func(from *resource.Resource, path, name string, e *networking.WorkloadEntry) {
		if strings.HasPrefix(e.GetAddress(), "unix://") {
			t.report(diag.Warning, CodeUnsupported, from, path, "endpoints on Unix sockets are not supported yet; left out")
			return
		}
		out = append(out, workloadEndpoint(e, spec.GetPorts(), workload(name, r.Namespace, e.GetLabels())))
	}
	for i, e := range spec.GetEndpoints() {
		add(r, fmt.Sprintf("spec.endpoints[%d].address", i), fmt.Sprintf("%s-%d", r.Name, i), e)
	}
	if spec.GetWorkloadSelector() == nil {
		return out
	}
	for _, w := range t.set.Kind("WorkloadEntry") {
		e, ok := w.Spec.(*networking.WorkloadEntry)
		if ok && w.Namespace == r.Namespace && subset(spec.GetWorkloadSelector().GetLabels(), e.GetLabels()) {
			add(w, "spec.address", w.Name, e)
		}
	}
	return out
}

func workloadEndpoint(e *networking.WorkloadEntry, ports []*networking.ServicePort, workload string) endpoint {
	out := endpoint{
		address:  e.GetAddress(),
		ports:    make(map[uint32]uint32, len(ports)),
		labels:   e.GetLabels(),
		weight:   cmp.Or(e.GetWeight(), 1),
		workload: workload,
	}
	for _, p := range ports {
		out.ports[p.GetNumber()] = cmp.Or(e.GetPorts()[p.GetName()], p.GetTargetPort(), p.GetNumber())
	}
	return out
}

// orHost gives a DNS service without endpoints its own name as endpoint.
func orHost(endpoints []endpoint, host string, spec *networking.ServiceEntry) []endpoint {
	dns := spec.GetResolution() == networking.ServiceEntry_DNS || spec.GetResolution() == networking.ServiceEntry_DNS_ROUND_ROBIN
	if len(endpoints) > 0 || spec.GetWorkloadSelector() != nil || !dns || isWildcard(host) {
		return endpoints
	}
	return []endpoint{workloadEndpoint(&networking.WorkloadEntry{Address: host}, spec.GetPorts(), "")}
}

// workload is the text that istiod puts into an endpoint's metadata:
// name;namespace;canonical name;canonical revision;cluster.
func workload(name, namespace string, labels map[string]string) string {
	canonical := cmp.Or(labels["service.istio.io/canonical-name"], labels["app.kubernetes.io/name"], labels["app"], name)
	revision := cmp.Or(labels["service.istio.io/canonical-revision"], labels["app.kubernetes.io/version"], labels["version"])
	return strings.Join([]string{name, namespace, canonical, revision, clusterID}, ";")
}

// clusterID is the name of the cluster that a plain Istio installation uses.
const clusterID = "Kubernetes"
