package xds

import (
	"fmt"
	"strconv"
	"strings"
)

// ClusterName returns the name Istio gives to the cluster of a service port:
// "outbound|8080|v1|api.production.svc.cluster.local". The subset may be empty.
func ClusterName(port uint32, subset, host string) string {
	return "outbound|" + strconv.FormatUint(uint64(port), 10) + "|" + subset + "|" + host
}

// ParseClusterName takes a name made by ClusterName apart. It reports false for
// any other name, such as those of a foreign bootstrap.
func ParseClusterName(name string) (port uint32, subset, host string, ok bool) {
	rest, ok := strings.CutPrefix(name, "outbound|")
	if !ok {
		return 0, "", "", false
	}
	parts := strings.Split(rest, "|")
	if len(parts) != 3 {
		return 0, "", "", false
	}
	n, err := strconv.ParseUint(parts[0], 10, 16)
	if err != nil {
		return 0, "", "", false
	}
	return uint32(n), parts[1], parts[2], true
}

// The keys of Snapshot.Origins.

// ListenerKey is the key of a listener.
func ListenerKey(name string) string { return "listener/" + name }

// RouteConfigKey is the key of a route configuration.
func RouteConfigKey(name string) string { return "routes/" + name }

// VirtualHostKey is the key of a virtual host of a route configuration.
func VirtualHostKey(routeConfig, vhost string) string {
	return "vhost/" + routeConfig + "/" + vhost
}

// RouteKey is the key of the route at an index of a virtual host. The key goes
// by place because Envoy's routes need no name and Istio gives them none.
func RouteKey(routeConfig, vhost string, index int) string {
	return fmt.Sprintf("route/%s/%s/%d", routeConfig, vhost, index)
}

// CorsKey is the key of the CORS policy of the route that RouteKey names.
func CorsKey(routeConfig, vhost string, index int) string {
	return fmt.Sprintf("cors/%s/%s/%d", routeConfig, vhost, index)
}

// ClusterKey is the key of a cluster.
func ClusterKey(name string) string { return "cluster/" + name }

// ClusterHTTP2Key is the key of what makes a cluster speak HTTP/2.
func ClusterHTTP2Key(name string) string { return "http2/" + name }

// ClusterBalanceKey is the key of what says how a cluster chooses among its hosts.
func ClusterBalanceKey(name string) string { return "balance/" + name }

// SecretKey is the key of a TLS secret.
func SecretKey(name string) string { return "secret/" + name }

// ForwardKey is the key of the user's wish to pass on the preflights that the policy
// of the route that RouteKey names does not allow. Envoy's message has the wish also
// where nobody wrote it; this key is there only where somebody did.
func ForwardKey(routeConfig, vhost string, index int) string {
	return fmt.Sprintf("forward/%s/%s/%d", routeConfig, vhost, index)
}
