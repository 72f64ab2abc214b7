package translate

import (
	"math"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rawbufferv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/raw_buffer/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	upstreamhttpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	networking "istio.io/api/networking/v1alpha3"
)

// dnsRefresh is how often istiod lets Envoy look up names without a TTL.
const dnsRefresh = 60 * time.Second

// applyPolicy gives a cluster the settings of its DestinationRule.
func (b *clusterBuilder) applyPolicy(c *clusterv3.Cluster, p *networking.TrafficPolicy) bool {
	loadBalancing(c, p.GetLoadBalancer())
	tcp, http := p.GetConnectionPool().GetTcp(), p.GetConnectionPool().GetHttp()
	if tcp.GetConnectTimeout() != nil {
		c.ConnectTimeout = tcp.GetConnectTimeout()
	}
	c.CircuitBreakers = &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{
		MaxConnections:     limit(tcp.GetMaxConnections()),
		MaxPendingRequests: limit(http.GetHttp1MaxPendingRequests()),
		MaxRequests:        limit(http.GetHttp2MaxRequests()),
		MaxRetries:         limit(http.GetMaxRetries()),
	}}}
	if o := p.GetOutlierDetection(); o != nil {
		c.OutlierDetection = outlierDetection(o)
		c.CommonLbConfig.HealthyPanicThreshold = &typev3.Percent{Value: float64(o.GetMinHealthPercent())}
	}
	return b.httpOptions(c, p)
}

// limit is the value of a circuit breaker; istiod has none unless told.
func limit(n int32) *wrapperspb.UInt32Value {
	if n <= 0 {
		return wrapperspb.UInt32(math.MaxUint32)
	}
	return wrapperspb.UInt32(uint32(n))
}

// loadBalancing sets the policy; what is not translated stays with istiod's
// default, the least loaded of two.
func loadBalancing(c *clusterv3.Cluster, lb *networking.LoadBalancerSettings) {
	switch lb.GetSimple() {
	case networking.LoadBalancerSettings_ROUND_ROBIN:
		c.LbPolicy = clusterv3.Cluster_ROUND_ROBIN
	case networking.LoadBalancerSettings_RANDOM:
		c.LbPolicy = clusterv3.Cluster_RANDOM
	}
}

func outlierDetection(o *networking.OutlierDetection) *clusterv3.OutlierDetection {
	out := &clusterv3.OutlierDetection{
		Interval:             o.GetInterval(),
		BaseEjectionTime:     o.GetBaseEjectionTime(),
		EnforcingSuccessRate: wrapperspb.UInt32(0),
	}
	enforce := func(n *wrapperspb.UInt32Value) *wrapperspb.UInt32Value {
		if n.GetValue() > 0 {
			return wrapperspb.UInt32(100)
		}
		return wrapperspb.UInt32(0)
	}
	if n := o.GetConsecutive_5XxErrors(); n != nil {
		out.Consecutive_5Xx, out.EnforcingConsecutive_5Xx = clone(n), enforce(n)
	}
	if n := o.GetConsecutiveGatewayErrors(); n != nil {
		out.ConsecutiveGatewayFailure, out.EnforcingConsecutiveGatewayFailure = clone(n), enforce(n)
	}
	if n := o.GetConsecutiveLocalOriginFailures(); n != nil {
		out.ConsecutiveLocalOriginFailure, out.EnforcingConsecutiveLocalOriginFailure = clone(n), enforce(n)
	}
	if n := o.GetMaxEjectionPercent(); n > 0 {
		out.MaxEjectionPercent = wrapperspb.UInt32(uint32(n))
	}
	out.SplitExternalLocalOriginErrors = o.GetSplitExternalLocalOriginErrors()
	return out
}

func clone(n *wrapperspb.UInt32Value) *wrapperspb.UInt32Value {
	if n.GetValue() == 0 {
		return nil
	}
	return wrapperspb.UInt32(n.GetValue())
}

// http2 reports whether the service is spoken to in HTTP/2.
func (b *clusterBuilder) http2(p *networking.TrafficPolicy) bool {
	switch b.port.protocol {
	case "HTTP2", "GRPC":
		return true
	}
	return p.GetConnectionPool().GetHttp().GetH2UpgradePolicy() == networking.ConnectionPoolSettings_HTTPSettings_UPGRADE
}

// httpOptions sets the protocol and the limits of connections.
func (b *clusterBuilder) httpOptions(c *clusterv3.Cluster, p *networking.TrafficPolicy) bool {
	http := p.GetConnectionPool().GetHttp()
	h2 := b.http2(p)
	if !h2 && http.GetIdleTimeout() == nil && http.GetMaxRequestsPerConnection() <= 0 {
		return true
	}
	explicit := &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig{}
	if h2 {
		explicit.ProtocolConfig = &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
			Http2ProtocolOptions: &corev3.Http2ProtocolOptions{},
		}
	} else {
		explicit.ProtocolConfig = &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig_HttpProtocolOptions{
			HttpProtocolOptions: &corev3.Http1ProtocolOptions{},
		}
	}
	o := &upstreamhttpv3.HttpProtocolOptions{
		UpstreamProtocolOptions: &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig_{ExplicitHttpConfig: explicit},
	}
	if http.GetIdleTimeout() != nil || http.GetMaxRequestsPerConnection() > 0 {
		o.CommonHttpProtocolOptions = &corev3.HttpProtocolOptions{IdleTimeout: http.GetIdleTimeout()}
		if n := http.GetMaxRequestsPerConnection(); n > 0 {
			o.CommonHttpProtocolOptions.MaxRequestsPerConnection = wrapperspb.UInt32(uint32(n))
		}
	}
	a := b.t.pack(b.svc.Resource, "", o)
	if a == nil {
		return false
	}
	c.TypedExtensionProtocolOptions = map[string]*anypb.Any{"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": a}
	return true
}

// autoTLS is what istiod sends for services of the mesh: mutual TLS to
// endpoints that are marked as having a sidecar, plain text to all others. Who
// has no mesh certificates (sds-grpc) never meets a marked endpoint.
func (b *clusterBuilder) autoTLS(h2 bool) []*clusterv3.Cluster_TransportSocketMatch {
	alpn := []string{"istio"}
	if h2 {
		alpn = append(alpn, "h2")
	}
	mutual := &tlsv3.UpstreamTlsContext{
		Sni: b.autoTLSName(),
		CommonTlsContext: &tlsv3.CommonTlsContext{
			AlpnProtocols: alpn,
			TlsParams: &tlsv3.TlsParameters{
				TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_2,
				TlsMaximumProtocolVersion: tlsv3.TlsParameters_TLSv1_3,
			},
			TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{agentSecret("default")},
			ValidationContextType: &tlsv3.CommonTlsContext_CombinedValidationContext{
				CombinedValidationContext: &tlsv3.CommonTlsContext_CombinedCertificateValidationContext{
					DefaultValidationContext:         &tlsv3.CertificateValidationContext{},
					ValidationContextSdsSecretConfig: agentSecret("ROOTCA"),
				},
			},
		},
	}
	socket := func(name, typ string, mode map[string]*structpb.Value, m proto.Message) *clusterv3.Cluster_TransportSocketMatch {
		return &clusterv3.Cluster_TransportSocketMatch{
			Name:  name,
			Match: &structpb.Struct{Fields: mode},
			TransportSocket: &corev3.TransportSocket{
				Name:       typ,
				ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: b.t.pack(b.svc.Resource, "", m)},
			},
		}
	}
	return []*clusterv3.Cluster_TransportSocketMatch{
		socket("tlsMode-istio", socketTLS, map[string]*structpb.Value{"tlsMode": structpb.NewStringValue("istio")}, mutual),
		socket("tlsMode-disabled", "envoy.transport_sockets.raw_buffer", nil, &rawbufferv3.RawBuffer{}),
	}
}

// agentSecret refers to a certificate that Istio's agent serves beside Envoy.
func agentSecret(name string) *tlsv3.SdsSecretConfig {
	return &tlsv3.SdsSecretConfig{
		Name: name,
		SdsConfig: &corev3.ConfigSource{
			ConfigSourceSpecifier: &corev3.ConfigSource_ApiConfigSource{ApiConfigSource: &corev3.ApiConfigSource{
				ApiType:                   corev3.ApiConfigSource_GRPC,
				TransportApiVersion:       corev3.ApiVersion_V3,
				SetNodeOnFirstMessageOnly: true,
				GrpcServices: []*corev3.GrpcService{{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{
					EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: "sds-grpc"},
				}}},
			}},
			InitialFetchTimeout: durationpb.New(0),
			ResourceApiVersion:  corev3.ApiVersion_V3,
		},
	}
}
