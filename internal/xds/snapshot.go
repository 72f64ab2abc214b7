package xds

import (
	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/crossgate/crossgate/internal/diag"
)

// Snapshot is one complete configuration of a data plane. It is immutable once
// it has been published: whoever wants another one builds another one (virtual
// hosts that did not change may be shared between them).
//
// Listeners name their route configurations by RDS or carry them inline;
// clusters of type EDS find their endpoints in Endpoints, others carry a load
// assignment; TLS contexts name a Secret by SDS or carry certificates.
type Snapshot struct {
	// Version identifies the content: equal content, equal version.
	Version string

	Listeners []*listenerv3.Listener
	Routes    []*routev3.RouteConfiguration
	Clusters  []*clusterv3.Cluster
	Endpoints []*endpointv3.ClusterLoadAssignment
	Secrets   []*tlsv3.Secret

	// Bootstrap is what the snapshot was loaded from, if it was a bootstrap:
	// its node, admin address and layered runtime count, its static resources
	// are in the lists above. Otherwise nil.
	Bootstrap *bootstrapv3.Bootstrap

	// Origins tells from which place of the input a resource came. The key is
	// "TYPE/NAME" (listener/0.0.0.0_80) or, for a route, what RouteKey makes.
	// It stands beside the resources so that those equal Istio's.
	Origins map[string]diag.Pos
}
