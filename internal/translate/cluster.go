package translate

import (
	"fmt"
	"net/netip"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/xds"
)

// blackHole is the cluster that istiod gives every proxy for traffic that must
// go nowhere.
const blackHole = "BlackHoleCluster"

// clusters makes the clusters and endpoints of all services: for each port the
// whole service, then its subsets.
func (t *translator) clusters() {
	taken := make(map[string]bool)
	for _, s := range t.services.all {
		if taken[s.host] {
			t.report(diag.Warning, CodeDropped, s.Resource, "", "left out: another namespace has a service %s", s.host)
			continue
		}
		taken[s.host] = true
		rules := t.rulesFor(s)
		subsets := append([]serviceSubset{{}}, t.subsets(s)...)
		for _, p := range s.ports {
			for _, sub := range subsets {
				b := &clusterBuilder{t: t, svc: s, port: p, sub: sub}
				if len(rules) > 0 {
					b.rule = rules[0]
				}
				b.build()
			}
		}
	}
	t.out.Clusters = append(t.out.Clusters, &clusterv3.Cluster{
		Name:                 blackHole,
		AltStatName:          blackHole + ";",
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
		ConnectTimeout:       connectTimeout(),
	})
}

func connectTimeout() *durationpb.Duration { return &durationpb.Duration{Seconds: 10} }

// clusterBuilder makes the cluster of one port of a service or subset.
type clusterBuilder struct {
	t    *translator
	svc  *service
	port servicePort
	sub  serviceSubset
	// rule is nil if no DestinationRule is in effect.
	rule *rule
}

func (b *clusterBuilder) build() {
	policy := &networking.TrafficPolicy{}
	if b.rule != nil {
		policy = effectivePolicy(b.rule.spec.GetTrafficPolicy(), b.sub.policy, b.port.number)
	}
	if !b.plaintext(policy.GetTls()) {
		return
	}
	name := xds.ClusterName(b.port.number, b.sub.name, b.svc.host)
	c := &clusterv3.Cluster{
		Name:           name,
		AltStatName:    name + ";",
		ConnectTimeout: connectTimeout(),
		LbPolicy:       clusterv3.Cluster_LEAST_REQUEST,
		CommonLbConfig: &clusterv3.Cluster_CommonLbConfig{HealthyPanicThreshold: &typev3.Percent{}},
		Metadata:       b.metadata(),
	}
	if !b.applyPolicy(c, policy) {
		return
	}
	if !b.svc.external && policy.GetTls() == nil {
		c.TransportSocketMatches = b.autoTLS(b.http2(policy))
	}
	b.discovery(c)
	b.t.out.Clusters = append(b.t.out.Clusters, c)
	b.t.out.Origins[xds.ClusterKey(name)] = position(b.svc.Resource, "spec.ports")
	if policy.GetConnectionPool().GetHttp().GetH2UpgradePolicy() == networking.ConnectionPoolSettings_HTTPSettings_UPGRADE {
		b.t.out.Origins[xds.ClusterHTTP2Key(name)] = position(b.rule.Resource, "spec.trafficPolicy.connectionPool.http.h2UpgradePolicy")
	}
}

// plaintext reports whether the service may be reached without TLS. Where TLS
// is asked for and not supported there must be no cluster, so that nothing is
// sent in the clear.
func (b *clusterBuilder) plaintext(tls *networking.ClientTLSSettings) bool {
	if tls == nil || tls.GetMode() == networking.ClientTLSSettings_DISABLE {
		return true
	}
	path := "spec.trafficPolicy.tls"
	if b.sub.policy.GetTls() != nil {
		path = b.sub.path + ".trafficPolicy.tls"
	}
	if _, ok := b.svc.upstream(b.port.number); ok && tls.GetMode() == networking.ClientTLSSettings_ISTIO_MUTUAL {
		b.t.report(diag.Warning, CodeUnsupported, b.rule.Resource, path,
			"%s is given by --upstream, which has no sidecar: it is reached without TLS", b.svc.host)
		return true
	}
	b.t.report(diag.Error, CodeUnsupported, b.rule.Resource, path,
		"TLS to the service (mode %s) is not supported yet: requests to %s port %d are answered 503", tls.GetMode(), b.svc.host, b.port.number)
	return false
}

func (b *clusterBuilder) metadata() *corev3.Metadata {
	str := structpb.NewStringValue
	fields := map[string]*structpb.Value{
		"services": structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{
			structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
				"host": str(b.svc.host), "name": str(b.svc.label), "namespace": str(b.svc.Namespace),
			}}),
		}}),
	}
	if b.rule != nil {
		config := configMetadata(b.rule.Resource, "destination-rule")
		fields["config"] = config.GetFilterMetadata()["istio"].GetFields()["config"]
	}
	if b.sub.name != "" {
		fields["subset"] = str(b.sub.name)
	} else if b.svc.external {
		fields["external"] = structpb.NewBoolValue(true)
	}
	return &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{"istio": {Fields: fields}}}
}

// discovery says how the endpoints are found: by EDS or, where an address is a
// name, by the DNS.
func (b *clusterBuilder) discovery(c *clusterv3.Cluster) {
	endpoints := b.svc.endpointsFor(b.port, b.sub)
	cla := b.loadAssignment(c.GetName(), endpoints)
	u, given := b.svc.upstream(b.port.number)
	dns := b.svc.resolution == networking.ServiceEntry_DNS || b.svc.resolution == networking.ServiceEntry_DNS_ROUND_ROBIN
	if given {
		dns = u.isName()
	}
	if !dns {
		c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS}
		c.EdsClusterConfig = &clusterv3.Cluster_EdsClusterConfig{EdsConfig: adsConfig(), ServiceName: c.GetName()}
		b.t.out.Endpoints = append(b.t.out.Endpoints, cla)
		return
	}
	kind := clusterv3.Cluster_STRICT_DNS
	if !given && b.svc.resolution == networking.ServiceEntry_DNS_ROUND_ROBIN {
		kind = clusterv3.Cluster_LOGICAL_DNS
	}
	c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: kind}
	c.DnsLookupFamily = clusterv3.Cluster_V4_ONLY //nolint:staticcheck // What istiod sends.
	if given {
		// localhost may have an IPv6 address only.
		c.DnsLookupFamily = clusterv3.Cluster_V4_PREFERRED //nolint:staticcheck
	}
	c.DnsRefreshRate = durationpb.New(dnsRefresh) //nolint:staticcheck
	c.RespectDnsTtl = true                        //nolint:staticcheck
	c.LoadAssignment = cla
}

func (b *clusterBuilder) loadAssignment(name string, endpoints []endpoint) *endpointv3.ClusterLoadAssignment {
	cla := &endpointv3.ClusterLoadAssignment{ClusterName: name}
	if len(endpoints) == 0 {
		return cla
	}
	group := &endpointv3.LocalityLbEndpoints{Locality: &corev3.Locality{}}
	var total uint32
	for _, e := range endpoints {
		total += e.weight
		group.LbEndpoints = append(group.LbEndpoints, e.proto(b.port))
	}
	group.LoadBalancingWeight = wrapperspb.UInt32(total)
	cla.Endpoints = append(cla.Endpoints, group)
	return cla
}

func (e endpoint) proto(port servicePort) *endpointv3.LbEndpoint {
	out := &endpointv3.LbEndpoint{
		HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{
			Address: socketAddress(e.address, e.ports[port.number]),
		}},
		LoadBalancingWeight: wrapperspb.UInt32(e.weight),
	}
	if e.workload != "" {
		out.Metadata = &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{
			"istio": {Fields: map[string]*structpb.Value{"workload": structpb.NewStringValue(e.workload)}},
		}}
	}
	return out
}

func socketAddress(host string, port uint32) *corev3.Address {
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.String()
	}
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address:       host,
		PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
	}}}
}

// adsConfig says that a resource comes over the stream that brought the one
// which names it.
func adsConfig() *corev3.ConfigSource {
	return &corev3.ConfigSource{
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
		InitialFetchTimeout:   durationpb.New(0),
		ResourceApiVersion:    corev3.ApiVersion_V3,
	}
}

// autoTLSName is the server name that sidecars expect.
func (b *clusterBuilder) autoTLSName() string {
	return fmt.Sprintf("outbound_.%d_.%s_.%s", b.port.number, b.sub.name, b.svc.host)
}
