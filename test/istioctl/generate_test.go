package istioctl

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/url"
	"strconv"
	"testing"
	"time"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tcpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/crossgate/crossgate/test/tool"
)

// generated is the number of dumps that TestGenerated makes; ISTIOCTL_N is
// another one.
const generated = 6

// TestGenerated compares the views on dumps that are made at random of everything
// that the tables look at, of sidecars too: names of all forms, addresses and
// pipes, matches, inline routes, certificates of every kind. The seed is in the
// name of the test.
func TestGenerated(t *testing.T) {
	bin := real.Require(t)
	for seed := range tool.Number(t, "ISTIOCTL_N", generated) {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			g := &generator{t: t, r: rand.New(rand.NewPCG(uint64(seed), 7))}
			w := map[string]string{"PORT": "8080", "ADDRESS": "10.0.0.1", "ROUTE": g.routeName(), "CLUSTER": g.clusterName()}
			compare(t, bin, g.dump(), views, w)
			compare(t, bin, g.json(g.clusterStatuses()), endpointViews, w)
		})
	}
}

type generator struct {
	t *testing.T
	r *rand.Rand
}

func pick[T any](g *generator, list ...T) T { return list[g.r.IntN(len(list))] }

func (g *generator) maybe() bool { return g.r.IntN(2) == 0 }

// some makes up to n elements.
func some[T any](g *generator, n int, one func() T) []T {
	out := make([]T, g.r.IntN(n+1))
	for i := range out {
		out[i] = one()
	}
	return out
}

func (g *generator) pack(m proto.Message) *anypb.Any {
	a, err := anypb.New(m)
	if err != nil {
		g.t.Fatal(err)
	}
	return a
}

func (g *generator) json(m proto.Message) []byte {
	data, err := protojson.MarshalOptions{UseProtoNames: g.maybe()}.Marshal(m)
	if err != nil {
		g.t.Fatal(err)
	}
	return data
}

func (g *generator) time() *timestamppb.Timestamp {
	return timestamppb.New(time.Unix(1700000000+int64(g.r.IntN(1000)), int64(g.r.IntN(1000))*1e6))
}

func (g *generator) clusterName() string {
	return pick(g,
		"outbound|8080||api.web.svc.cluster.local", "outbound|8080|v1|api.web.svc.cluster.local", "outbound|80|v1|api.web.svc.cluster.local",
		"inbound|8080||", "outbound_.8080_._.api.web.svc.cluster.local", "outbound|x|v1|odd", "outbound|8080||a|b", "a|b|c",
		"BlackHoleCluster", "PassthroughCluster", "xds-grpc", "prometheus_stats")
}

func (g *generator) routeName() string {
	return pick(g, "80", "9090", "443", "http.80", "https.443.https.shop.web", "https.443.https", "inbound|8080||", "", "10")
}

func (g *generator) address() *corev3.Address {
	if g.r.IntN(8) == 0 {
		return &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: "/var/run/x.sock"}}}
	}
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address:       pick(g, "0.0.0.0", "10.0.0.1", "127.0.0.1", "::", "fd00::1"),
		PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: pick[uint32](g, 80, 443, 3000, 8080, 15001)},
	}}}
}

func (g *generator) metadata() *corev3.Metadata {
	if g.r.IntN(3) == 0 {
		return nil
	}
	return &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{pick(g, "istio", "istio", "other"): {Fields: map[string]*structpb.Value{
		pick(g, "config", "config", "x"): structpb.NewStringValue(pick(g,
			"/apis/networking.istio.io/v1/namespaces/web/virtual-service/shop",
			"/apis/networking.istio.io/v1/namespaces/web/virtual-service", "/apis/gateway.networking.k8s.io/x", "", "plain")),
	}}}}
}

func (g *generator) route() *routev3.Route {
	m := &routev3.RouteMatch{}
	switch g.r.IntN(5) {
	case 0:
		m.PathSpecifier = &routev3.RouteMatch_Prefix{Prefix: pick(g, "/", "/api", "/a<b>&c")}
	case 1:
		m.PathSpecifier = &routev3.RouteMatch_Path{Path: "/exact"}
	case 2:
		m.PathSpecifier = &routev3.RouteMatch_PathSeparatedPrefix{PathSeparatedPrefix: "/sep"}
	case 3:
		m.PathSpecifier = &routev3.RouteMatch_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: `/v[0-9]+\.("x")`}}
	}
	r := &routev3.Route{Name: pick(g, "", "named"), Match: m, Metadata: g.metadata()}
	if g.r.IntN(4) == 0 {
		r.Action = &routev3.Route_Redirect{Redirect: &routev3.RedirectAction{HostRedirect: "x.example"}}
	} else {
		r.Action = &routev3.Route_Route{Route: &routev3.RouteAction{
			ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: g.clusterName()},
			Timeout:          durationpb.New(time.Duration(g.r.IntN(5000)) * time.Millisecond),
		}}
	}
	return r
}

func (g *generator) virtualHost() *routev3.VirtualHost {
	return &routev3.VirtualHost{
		Name: pick(g, "shop.example.com:443", "api.web.svc.cluster.local:8080", "allow_any", "blackhole:80"),
		Domains: some(g, 5, func() string {
			return pick(g, "*", "api", "api.web", "api.web.svc", "api.web.svc.cluster.local", "api:8080", "shop.example.com",
				"10.0.0.1", "[fd00:10:96::7fc7]", "[fd00:10:96::7fc7]:8090", "*.example.com")
		}),
		Routes: some(g, 3, g.route),
	}
}

func (g *generator) routeConfig() *routev3.RouteConfiguration {
	rc := &routev3.RouteConfiguration{Name: g.routeName(), VirtualHosts: some(g, 3, g.virtualHost)}
	if g.r.IntN(3) == 0 {
		rc.VirtualHosts = []*routev3.VirtualHost{{Name: "all", Domains: []string{"*"}, Routes: []*routev3.Route{g.route()}}}
	}
	return rc
}

func (g *generator) chain() *listenerv3.FilterChain {
	c := &listenerv3.FilterChain{Name: pick(g, "", "chain")}
	if g.r.IntN(3) > 0 {
		c.FilterChainMatch = g.chainMatch()
	}
	switch g.r.IntN(4) {
	case 0:
		c.Filters = []*listenerv3.Filter{{Name: "envoy.filters.network.tcp_proxy", ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: g.pack(&tcpv3.TcpProxy{
			StatPrefix: "tcp", ClusterSpecifier: &tcpv3.TcpProxy_Cluster{Cluster: g.clusterName()},
		})}}}
	case 1, 2:
		m := &hcmv3.HttpConnectionManager{StatPrefix: "http"}
		switch g.r.IntN(3) {
		case 0:
			m.RouteSpecifier = &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{RouteConfigName: g.routeName()}}
		case 1:
			m.RouteSpecifier = &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: g.routeConfig()}
		}
		c.Filters = []*listenerv3.Filter{{Name: "envoy.filters.network.http_connection_manager", ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: g.pack(m)}}}
	}
	return c
}

func (g *generator) chainMatch() *listenerv3.FilterChainMatch {
	m := &listenerv3.FilterChainMatch{
		ServerNames:       some(g, 2, func() string { return pick(g, "a.example.com", "*.b.example.com") }),
		TransportProtocol: pick(g, "", "tls", "raw_buffer"),
		ApplicationProtocols: pick(g, nil, []string{"http/1.0", "http/1.1", "h2c"}, []string{"istio", "istio-http/1.0", "istio-http/1.1", "istio-h2"},
			[]string{"http/1.0", "http/1.1", "h2c", "istio-http/1.0", "istio-http/1.1", "istio-h2"}, []string{"istio-peer-exchange", "istio"}, []string{"h2", "http/1.1"}),
	}
	if g.maybe() {
		m.DestinationPort = wrapperspb.UInt32(8080)
	}
	m.PrefixRanges = some(g, 2, func() *corev3.CidrRange {
		return &corev3.CidrRange{AddressPrefix: pick(g, "10.0.0.0", "fd00::"), PrefixLen: wrapperspb.UInt32(pick[uint32](g, 8, 32, 64))}
	})
	return m
}

func (g *generator) listener() *listenerv3.Listener {
	l := &listenerv3.Listener{
		Name: pick(g, "virtualOutbound", "0.0.0.0_80", "10.0.0.1_443", ""), Address: g.address(), FilterChains: some(g, 4, g.chain),
		TrafficDirection: pick(g, corev3.TrafficDirection_OUTBOUND, corev3.TrafficDirection_INBOUND, corev3.TrafficDirection_UNSPECIFIED),
	}
	if g.r.IntN(3) == 0 {
		l.DefaultFilterChain = g.chain()
	}
	l.AdditionalAddresses = some(g, 1, func() *listenerv3.AdditionalAddress {
		return &listenerv3.AdditionalAddress{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
			Address: "::", PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 80},
		}}}}
	})
	return l
}

func (g *generator) cluster() *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name: g.clusterName(), Metadata: g.metadata(), ConnectTimeout: durationpb.New(time.Duration(g.r.IntN(20)) * 500 * time.Millisecond),
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: pick(g, clusterv3.Cluster_EDS, clusterv3.Cluster_STATIC, clusterv3.Cluster_STRICT_DNS, clusterv3.Cluster_ORIGINAL_DST)},
		LbPolicy:             pick(g, clusterv3.Cluster_ROUND_ROBIN, clusterv3.Cluster_LEAST_REQUEST),
		CommonLbConfig:       &clusterv3.Cluster_CommonLbConfig{HealthyPanicThreshold: &typev3.Percent{Value: pick(g, 0, 12.5, 1e-9, 1e21)}},
	}
}

func (g *generator) assignment() *endpointv3.ClusterLoadAssignment {
	return &endpointv3.ClusterLoadAssignment{ClusterName: g.clusterName(), Endpoints: some(g, 3, func() *endpointv3.LocalityLbEndpoints {
		return &endpointv3.LocalityLbEndpoints{
			Locality: pick(g, nil, &corev3.Locality{Region: "r", Zone: "z", SubZone: "s"}, &corev3.Locality{Region: "r", SubZone: "s"}, &corev3.Locality{Zone: "z"}),
			LbEndpoints: some(g, 3, func() *endpointv3.LbEndpoint {
				return &endpointv3.LbEndpoint{HealthStatus: g.health(), HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: g.endpointAddress()}}}
			}),
		}
	})}
}

func (g *generator) health() corev3.HealthStatus {
	return pick(g, corev3.HealthStatus_HEALTHY, corev3.HealthStatus_UNHEALTHY, corev3.HealthStatus_UNKNOWN, corev3.HealthStatus_DRAINING)
}

func (g *generator) endpointAddress() *corev3.Address {
	if g.r.IntN(6) == 0 {
		return &corev3.Address{Address: &corev3.Address_EnvoyInternalAddress{EnvoyInternalAddress: &corev3.EnvoyInternalAddress{
			AddressNameSpecifier: &corev3.EnvoyInternalAddress_ServerListenerName{ServerListenerName: "connect_originate"}, EndpointId: "10.0.0.9:80",
		}}}
	}
	return g.address()
}

func (g *generator) clusterStatuses() *adminv3.Clusters {
	return &adminv3.Clusters{ClusterStatuses: some(g, 12, func() *adminv3.ClusterStatus {
		return &adminv3.ClusterStatus{Name: g.clusterName(), AddedViaApi: g.maybe(), HostStatuses: some(g, 4, func() *adminv3.HostStatus {
			return &adminv3.HostStatus{
				Address: g.endpointAddress(), Weight: 1,
				HealthStatus: &adminv3.HostHealthStatus{EdsHealthStatus: g.health(), FailedOutlierCheck: g.maybe()},
				Stats:        []*adminv3.SimpleMetric{{Name: "cx_total", Value: uint64(g.r.IntN(100)), Type: adminv3.SimpleMetric_COUNTER}},
			}
		})}
	})}
}

// dump makes a config_dump with dynamic and static resources, in Envoy's order of
// sections.
func (g *generator) dump() []byte {
	listeners, routes := new(adminv3.ListenersConfigDump), new(adminv3.RoutesConfigDump)
	clusters, endpoints := new(adminv3.ClustersConfigDump), new(adminv3.EndpointsConfigDump)
	listeners.DynamicListeners = append(some(g, 14, func() *adminv3.ListenersConfigDump_DynamicListener {
		return &adminv3.ListenersConfigDump_DynamicListener{Name: "x", ActiveState: &adminv3.ListenersConfigDump_DynamicListenerState{VersionInfo: "1", Listener: g.pack(g.listener()), LastUpdated: g.time()}}
	}), &adminv3.ListenersConfigDump_DynamicListener{Name: "warming", WarmingState: &adminv3.ListenersConfigDump_DynamicListenerState{Listener: g.pack(g.listener())}})
	listeners.StaticListeners = []*adminv3.ListenersConfigDump_StaticListener{{Listener: g.pack(g.listener())}}
	routes.DynamicRouteConfigs = some(g, 14, func() *adminv3.RoutesConfigDump_DynamicRouteConfig {
		return &adminv3.RoutesConfigDump_DynamicRouteConfig{VersionInfo: "1", RouteConfig: g.pack(g.routeConfig()), LastUpdated: g.time()}
	})
	routes.StaticRouteConfigs = []*adminv3.RoutesConfigDump_StaticRouteConfig{{RouteConfig: g.pack(g.routeConfig())}}
	clusters.DynamicActiveClusters = some(g, 20, func() *adminv3.ClustersConfigDump_DynamicCluster {
		return &adminv3.ClustersConfigDump_DynamicCluster{Cluster: g.pack(g.cluster())}
	})
	clusters.StaticClusters = []*adminv3.ClustersConfigDump_StaticCluster{{Cluster: g.pack(g.cluster())}}
	endpoints.DynamicEndpointConfigs = some(g, 14, func() *adminv3.EndpointsConfigDump_DynamicEndpointConfig {
		return &adminv3.EndpointsConfigDump_DynamicEndpointConfig{EndpointConfig: g.pack(g.assignment())}
	})
	endpoints.StaticEndpointConfigs = []*adminv3.EndpointsConfigDump_StaticEndpointConfig{{EndpointConfig: g.pack(g.assignment())}}
	dump := new(adminv3.ConfigDump)
	for _, m := range []proto.Message{g.bootstrap(), clusters, endpoints, listeners, &adminv3.ScopedRoutesConfigDump{}, routes, g.secrets()} {
		dump.Configs = append(dump.Configs, g.pack(m))
	}
	return g.json(dump)
}

func (g *generator) bootstrap() proto.Message {
	node := &corev3.Node{Id: "sidecar~10.0.0.1~api-1.web~web.svc.cluster.local", Cluster: "api.web"}
	if g.maybe() {
		node.Metadata = &structpb.Struct{Fields: map[string]*structpb.Value{
			"ISTIO_VERSION": structpb.NewStringValue("1.31.1"), "ISTIO_PROXY_SHA": structpb.NewStringValue(pick(g, "istio-proxy:abc", "abc", "a:b:c")),
			"LIST": structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewNumberValue(1.5), structpb.NewNullValue(), structpb.NewBoolValue(true)}}),
		}}
	}
	if g.maybe() {
		node.UserAgentVersionType = &corev3.Node_UserAgentBuildVersion{UserAgentBuildVersion: &corev3.BuildVersion{
			Version:  &typev3.SemanticVersion{MajorNumber: 1, MinorNumber: 40},
			Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{"build.label": structpb.NewStringValue("dev"), "ssl.version": structpb.NewStringValue("BoringSSL")}},
		}}
	}
	return &adminv3.BootstrapConfigDump{Bootstrap: &bootstrapv3.Bootstrap{Node: node}, LastUpdated: g.time()}
}

func (g *generator) secrets() proto.Message {
	one := func() *adminv3.SecretsConfigDump_DynamicSecret {
		s := g.secret(pick(g, "default", "ROOTCA", "kubernetes://shop-tls"))
		return &adminv3.SecretsConfigDump_DynamicSecret{Name: s.GetName(), VersionInfo: "1", LastUpdated: g.time(), Secret: g.pack(s)}
	}
	return &adminv3.SecretsConfigDump{DynamicActiveSecrets: some(g, 5, one), DynamicWarmingSecrets: some(g, 1, one)}
}

func (g *generator) secret(name string) *tlsv3.Secret {
	bytes := func(b []byte) *corev3.DataSource {
		return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: b}}
	}
	s := &tlsv3.Secret{Name: name}
	switch g.r.IntN(4) {
	case 0:
		s.Type = &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{TrustedCa: bytes(g.certificate())}}
	case 1:
		s.Type = &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{CustomValidatorConfig: &corev3.TypedExtensionConfig{
			Name: "envoy.tls.cert_validator.spiffe",
			TypedConfig: g.pack(&tlsv3.SPIFFECertValidatorConfig{TrustDomains: []*tlsv3.SPIFFECertValidatorConfig_TrustDomain{
				{Name: "cluster.local", TrustBundle: bytes(g.certificate())}, {Name: "other.example", TrustBundle: bytes(g.certificate())},
			}}),
		}}}
	default:
		s.Type = &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{CertificateChain: bytes(g.certificate()), PrivateKey: bytes([]byte("[redacted]"))}}
	}
	return s
}

// certificate makes PEM of every kind, rarely of none.
func (g *generator) certificate() []byte {
	if g.r.IntN(8) == 0 {
		return []byte(pick(g, "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		g.t.Fatal(err)
	}
	days := func(n int) time.Time { return time.Now().Add(time.Duration(n) * 24 * time.Hour) }
	c := &x509.Certificate{
		SerialNumber: big.NewInt(int64(g.r.IntN(1 << 30))), NotBefore: days(-10), NotAfter: days(pick(g, -1, 10, 300)),
		IsCA: g.maybe(), BasicConstraintsValid: true,
	}
	if g.r.IntN(3) > 0 {
		c.URIs = []*url.URL{{Scheme: "spiffe", Host: "cluster.local", Path: fmt.Sprintf("/ns/web/sa/%d", g.r.IntN(9))}}
	}
	der, err := x509.CreateCertificate(crand.Reader, c, c, key.Public(), key)
	if err != nil {
		g.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
