package xds

import routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

// The metadata of a route that a policy was compiled to. Envoy does nothing with it
// but logs it where it is asked to.
const (
	// MetadataNamespace is the key in filter_metadata.
	MetadataNamespace = "crossgate"
	// MetadataReason says why a request takes the route: deny-origin. It is there
	// on routes that were made beside the user's own.
	MetadataReason = "reason"
	// MetadataPolicy is the object that the policy stands in, NAMESPACE/NAME.
	MetadataPolicy = "policy"
	// MetadataPosition is where, FILE:LINE:COLUMN.
	MetadataPosition = "position"
	// MetadataCluster is the cluster that a refused request would have gone to.
	MetadataCluster = "cluster"
)

// RouteMetadata returns one of the values above; empty where there is none.
func RouteMetadata(r *routev3.Route, key string) string {
	return r.GetMetadata().GetFilterMetadata()[MetadataNamespace].GetFields()[key].GetStringValue()
}
