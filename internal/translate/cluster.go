package translate

import (
	"fmt"
	"net/netip"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	caresv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/network/dns_resolver/cares/v3"
	upstreamhttpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
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
		if s.alias != "" {
			continue
		}
		rule := t.ruleFor(s.host, s.Namespace)
		subsets := []serviceSubset{{}}
		if rule != nil && s.resolution != networking.ServiceEntry_DYNAMIC_DNS {
			subsets = append(subsets, rule.subsets...)
		}
		for _, p := range s.ports {
			for _, sub := range subsets {
				b := &clusterBuilder{t: t, svc: s, port: p, sub: sub, rule: rule}
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
	// policy is what the rule says about this port and subset; never nil.
	policy *networking.TrafficPolicy
	// options are the settings of connections, nil if there are none.
	options *upstreamhttpv3.HttpProtocolOptions
}

func (b *clusterBuilder) build() {
	b.effective()
	name := xds.ClusterName(b.port.number, b.sub.name, b.svc.host)
	c := &clusterv3.Cluster{
		Name:           name,
		AltStatName:    name + ";",
		ConnectTimeout: connectTimeout(),
		CommonLbConfig: &clusterv3.Cluster_CommonLbConfig{HealthyPanicThreshold: &typev3.Percent{}},
		Metadata:       b.metadata(),
	}
	if !b.discovery(c) {
		return
	}
	b.applyPolicy(c, b.policy)
	if !b.transportSecurity(c, b.policy.GetTls()) || !b.proxyProtocol(c) || !b.packOptions(c) {
		return
	}
	if c.GetType() == clusterv3.Cluster_EDS {
		c.EdsClusterConfig = &clusterv3.Cluster_EdsClusterConfig{EdsConfig: adsConfig(), ServiceName: name}
		b.t.out.Endpoints = append(b.t.out.Endpoints, b.loadAssignment(name))
	}
	b.t.out.Clusters = append(b.t.out.Clusters, c)
	b.t.out.Origins[xds.ClusterKey(name)] = b.svc.Resource.Position("spec.ports")
	if pool := b.policy.GetConnectionPool(); pool.GetHttp().GetH2UpgradePolicy() == networking.ConnectionPoolSettings_HTTPSettings_UPGRADE {
		from, path := b.written(func(s settings) bool { return s.GetConnectionPool() == pool })
		b.t.out.Origins[xds.ClusterHTTP2Key(name)] = from.Position(path + ".connectionPool.http.h2UpgradePolicy")
	}
	if lb := b.byDestination(); lb != nil {
		from, path := b.balancedAt(lb)
		b.t.out.Origins[xds.ClusterBalanceKey(name)] = from.Position(path)
	}
}

// effective finds the policy of the cluster.
func (b *clusterBuilder) effective() {
	b.policy = &networking.TrafficPolicy{}
	if b.rule != nil {
		b.policy = effectivePolicy(b.rule.policy, b.sub.policy, b.port.number)
	}
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
		switch b.policy.GetTls().GetMode() {
		case networking.ClientTLSSettings_SIMPLE, networking.ClientTLSSettings_MUTUAL:
			// Tells sidecars to leave the ALPN of the connection alone.
			fields["alpn_override"] = str("false")
		}
	}
	if b.sub.name != "" {
		fields["subset"] = str(b.sub.name)
	} else if b.svc.external {
		fields["external"] = structpb.NewBoolValue(true)
	}
	return &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{"istio": {Fields: fields}}}
}

// discovery says how the endpoints are found: by EDS or, where an address is a
// name, by the DNS. A cluster of the DNS without any address is none.
func (b *clusterBuilder) discovery(c *clusterv3.Cluster) bool {
	if b.svc.resolution == networking.ServiceEntry_DYNAMIC_DNS {
		return b.dynamicDNS(c)
	}
	kind, family := b.discoveryType()
	c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: kind}
	if kind == clusterv3.Cluster_EDS {
		return true
	}
	resolver := b.t.pack(b.svc.Resource, "", &caresv3.CaresDnsResolverConfig{UdpMaxQueries: wrapperspb.UInt32(dnsQueries)})
	c.TypedDnsResolverConfig = &corev3.TypedExtensionConfig{Name: "envoy.network.dns_resolver.cares", TypedConfig: resolver}
	c.DnsLookupFamily = family                    //nolint:staticcheck // What istiod sends.
	c.DnsRefreshRate = durationpb.New(dnsRefresh) //nolint:staticcheck
	c.DnsJitter = durationpb.New(dnsJitter)       //nolint:staticcheck
	c.RespectDnsTtl = true                        //nolint:staticcheck
	c.LoadAssignment = b.loadAssignment(c.GetName())
	return len(c.GetLoadAssignment().GetEndpoints()) > 0
}

// How istiod lets Envoy look up names: how often without a TTL, by how much
// earlier or later, and how many queries go over one socket.
const (
	dnsRefresh = 60 * time.Second
	dnsJitter  = 100 * time.Millisecond
	dnsQueries = 100
)

// discoveryType is the kind of the cluster and which addresses names have.
func (b *clusterBuilder) discoveryType() (clusterv3.Cluster_DiscoveryType, clusterv3.Cluster_DnsLookupFamily) {
	if u, given := b.svc.upstream(b.port.number); given {
		if u.isLocalhost() {
			// One program, which may listen on one of the two addresses only.
			return clusterv3.Cluster_LOGICAL_DNS, clusterv3.Cluster_ALL
		}
		if u.isName() {
			return clusterv3.Cluster_STRICT_DNS, clusterv3.Cluster_V4_PREFERRED
		}
		return clusterv3.Cluster_EDS, 0
	}
	switch b.svc.resolution {
	case networking.ServiceEntry_DNS:
		return clusterv3.Cluster_STRICT_DNS, clusterv3.Cluster_V4_ONLY
	case networking.ServiceEntry_DNS_ROUND_ROBIN:
		return clusterv3.Cluster_LOGICAL_DNS, clusterv3.Cluster_V4_ONLY
	}
	return clusterv3.Cluster_EDS, 0
}

func socketAddress(host string, port uint32) *corev3.Address {
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.String()
	}
	return xds.SocketAddress(host, port)
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

const edsType = clusterv3.Cluster_EDS

// isIP reports whether an address needs no look-up.
func isIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// autoTLSName is the server name that sidecars expect.
func (b *clusterBuilder) autoTLSName() string {
	return fmt.Sprintf("outbound_.%d_.%s_.%s", b.port.number, b.sub.name, b.svc.host)
}
