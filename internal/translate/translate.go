package translate

import (
	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/xds"
)

// Node is the proxy that a snapshot is made for.
type Node struct {
	Name, Namespace string
	// Labels are what a Gateway's selector is matched against.
	Labels map[string]string
}

// DefaultNode is the ingress gateway of a plain Istio installation.
func DefaultNode() Node {
	return Node{
		Name:      "istio-ingressgateway",
		Namespace: "istio-system",
		Labels:    map[string]string{"istio": "ingressgateway", "app": "istio-ingressgateway"},
	}
}

// Options are the inputs of a translation beside the resources.
type Options struct {
	Node Node
	// Upstreams replace the endpoints of services.
	Upstreams []Upstream
	// SynthesizeGateways makes a Gateway on port 80 for VirtualServices that
	// bind to one which does not exist.
	SynthesizeGateways bool
	// MeshDomain completes short service names; empty means cluster.local.
	MeshDomain string
}

// Snapshot translates the resources.
func Snapshot(_ []*resource.Resource, _ Options) (*xds.Snapshot, diag.List) {
	return &xds.Snapshot{}, nil
}
