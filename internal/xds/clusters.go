package xds

import (
	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
)

// ClusterStatus shows a load assignment in the form of /clusters. An endpoint of
// unknown health is healthy there and one without a weight has 1, as in Envoy.
func ClusterStatus(a *endpointv3.ClusterLoadAssignment) *adminv3.ClusterStatus {
	status := &adminv3.ClusterStatus{Name: a.GetClusterName()}
	for _, group := range a.GetEndpoints() {
		for _, e := range group.GetLbEndpoints() {
			health := e.GetHealthStatus()
			if health == corev3.HealthStatus_UNKNOWN {
				health = corev3.HealthStatus_HEALTHY
			}
			status.HostStatuses = append(status.HostStatuses, &adminv3.HostStatus{
				Address:      e.GetEndpoint().GetAddress(),
				HealthStatus: &adminv3.HostHealthStatus{EdsHealthStatus: health},
				Weight:       max(e.GetLoadBalancingWeight().GetValue(), 1),
				Hostname:     e.GetEndpoint().GetHostname(),
				Locality:     group.GetLocality(),
				Priority:     group.GetPriority(),
			})
		}
	}
	return status
}
