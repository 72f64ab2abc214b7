package upstream

import (
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
)

// Workload is what runs behind an endpoint, as Istio's metrics name it.
type Workload struct {
	Name, Namespace, CanonicalService, CanonicalRevision, Cluster string
}

// Workload returns what runs on the host, nil where the configuration does not
// say. Hosts of one workload may return the same pointer.
func (h *Host) Workload() *Workload { return h.workload.Load() }

// Metadata is all that the configuration says of the endpoint beside its address.
func (h *Host) Metadata() *corev3.Metadata { return h.metadata.Load() }

// setWorkload notes the metadata and the workload of the endpoint that the host is; known holds
// those of its cluster.
func (h *Host) setWorkload(e *endpointv3.LbEndpoint, known map[Workload]*Workload) {
	h.metadata.Store(e.GetMetadata())
	w, ok := parseWorkload(e.GetMetadata().GetFilterMetadata()["istio"].GetFields()["workload"].GetStringValue())
	if !ok {
		h.workload.Store(nil)
		return
	}
	if known[w] == nil {
		known[w] = &w
		if old := h.workload.Load(); old != nil && *old == w {
			known[w] = old
		}
	}
	h.workload.Store(known[w])
}

// parseWorkload reads the text that istiod writes into an endpoint's metadata:
// name;namespace;canonical service;canonical revision;cluster. Shorter ones say
// nothing (Istio's convertEndpointMetadata).
func parseWorkload(text string) (Workload, bool) {
	parts := strings.Split(text, ";")
	if len(parts) < 5 {
		return Workload{}, false
	}
	return Workload{parts[0], parts[1], parts[2], parts[3], parts[4]}, true
}
