package translate

import (
	"math"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	upstreamhttpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	networking "istio.io/api/networking/v1alpha3"
)

const httpProtocolOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

// applyPolicy gives a cluster the settings of its DestinationRule, in istiod's
// order (applyTrafficPolicy of its pilot/pkg/networking/core).
func (b *clusterBuilder) applyPolicy(c *clusterv3.Cluster, p *networking.TrafficPolicy) {
	http := p.GetConnectionPool().GetHttp()
	if isHTTP2(b.port.protocol) || http.GetH2UpgradePolicy() == networking.ConnectionPoolSettings_HTTPSettings_UPGRADE && !http.GetUseClientProtocol() {
		b.useHTTP2()
	}
	b.connectionPool(c, p)
	if o := p.GetOutlierDetection(); o != nil {
		c.OutlierDetection = outlierDetection(o)
		if o.GetMinHealthPercent() >= 0 && c.GetCommonLbConfig() != nil {
			c.CommonLbConfig.HealthyPanicThreshold = &typev3.Percent{Value: float64(o.GetMinHealthPercent())}
		}
	}
	if c.GetClusterType() == nil {
		b.loadBalancing(c, p.GetLoadBalancer())
	}
}

// isHTTP2 reports whether a port's protocol is spoken in HTTP/2.
func isHTTP2(protocol string) bool {
	switch protocol {
	case "HTTP2", "GRPC", "GRPC-WEB":
		return true
	}
	return false
}

// useHTTP2 makes the cluster speak HTTP/2 by prior knowledge.
func (b *clusterBuilder) useHTTP2() {
	b.protocolOptions().UpstreamProtocolOptions = &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig_{
		ExplicitHttpConfig: &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig{
			ProtocolConfig: &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
				Http2ProtocolOptions: &corev3.Http2ProtocolOptions{},
			},
		},
	}
}

// speaksHTTP2 reports whether every request to the cluster is sent in HTTP/2.
func (b *clusterBuilder) speaksHTTP2() bool { return b.http2Options() != nil }

func (b *clusterBuilder) http2Options() *corev3.Http2ProtocolOptions {
	return b.options.GetExplicitHttpConfig().GetHttp2ProtocolOptions()
}

// protocolOptions are the settings of connections, made when something needs
// them.
func (b *clusterBuilder) protocolOptions() *upstreamhttpv3.HttpProtocolOptions {
	if b.options == nil {
		b.options = &upstreamhttpv3.HttpProtocolOptions{}
	}
	return b.options
}

// packOptions puts the settings of connections into the cluster. Envoy requires
// that they name a protocol.
func (b *clusterBuilder) packOptions(c *clusterv3.Cluster) bool {
	if b.options == nil {
		return true
	}
	if b.options.GetUpstreamProtocolOptions() == nil {
		b.options.UpstreamProtocolOptions = &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig_{
			ExplicitHttpConfig: &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig{
				ProtocolConfig: &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig_HttpProtocolOptions{
					HttpProtocolOptions: &corev3.Http1ProtocolOptions{},
				},
			},
		}
	}
	a := b.t.pack(b.svc.Resource, "", b.options)
	if a == nil {
		return false
	}
	c.TypedExtensionProtocolOptions = map[string]*anypb.Any{httpProtocolOptions: a}
	return true
}

// connectionPool sets the limits and times of connections.
func (b *clusterBuilder) connectionPool(c *clusterv3.Cluster, p *networking.TrafficPolicy) {
	tcp, http := p.GetConnectionPool().GetTcp(), p.GetConnectionPool().GetHttp()
	if tcp.GetConnectTimeout() != nil {
		c.ConnectTimeout = tcp.GetConnectTimeout()
	}
	if k := tcp.GetTcpKeepalive(); k != nil {
		c.UpstreamConnectionOptions = &clusterv3.UpstreamConnectionOptions{TcpKeepalive: keepalive(k)}
	}
	c.CircuitBreakers = &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{
		MaxConnections:     limit(tcp.GetMaxConnections()),
		MaxPendingRequests: limit(http.GetHttp1MaxPendingRequests()),
		MaxRequests:        limit(http.GetHttp2MaxRequests()),
		MaxRetries:         limit(http.GetMaxRetries()),
		RetryBudget:        retryBudget(p.GetRetryBudget()),
	}}}
	b.connectionLimits(tcp, http)
	if http.GetUseClientProtocol() {
		b.useClientProtocol()
	}
}

// connectionLimits sets what limits single connections. Those of HTTP/2 alone
// have no effect elsewhere, but istiod names a protocol for them all the same.
func (b *clusterBuilder) connectionLimits(tcp *networking.ConnectionPoolSettings_TCPSettings, http *networking.ConnectionPoolSettings_HTTPSettings) {
	idle := http.GetIdleTimeout()
	if idle == nil {
		idle = tcp.GetIdleTimeout()
	}
	requests, streams, ping := http.GetMaxRequestsPerConnection(), http.GetMaxConcurrentStreams(), http.GetHttp2KeepAlive()
	if idle == nil && tcp.GetMaxConnectionDuration() == nil && requests <= 0 && streams <= 0 && ping == nil {
		return
	}
	common := &corev3.HttpProtocolOptions{IdleTimeout: idle, MaxConnectionDuration: tcp.GetMaxConnectionDuration()}
	if requests > 0 {
		common.MaxRequestsPerConnection = wrapperspb.UInt32(uint32(requests))
	}
	b.protocolOptions().CommonHttpProtocolOptions = common
	h2 := b.http2Options()
	if h2 == nil {
		return
	}
	if streams > 0 {
		h2.MaxConcurrentStreams = wrapperspb.UInt32(uint32(streams))
	}
	if ping != nil {
		h2.ConnectionKeepalive = &corev3.KeepaliveSettings{Interval: ping.GetInterval(), Timeout: ping.GetTimeout()}
	}
}

// useClientProtocol sends each request in the protocol that it came in.
func (b *clusterBuilder) useClientProtocol() {
	b.protocolOptions().UpstreamProtocolOptions = &upstreamhttpv3.HttpProtocolOptions_UseDownstreamProtocolConfig{
		UseDownstreamProtocolConfig: &upstreamhttpv3.HttpProtocolOptions_UseDownstreamHttpConfig{
			HttpProtocolOptions:  &corev3.Http1ProtocolOptions{},
			Http2ProtocolOptions: &corev3.Http2ProtocolOptions{},
		},
	}
}

// limit is the value of a circuit breaker; istiod has none unless told.
func limit(n int32) *wrapperspb.UInt32Value {
	if n <= 0 {
		return wrapperspb.UInt32(math.MaxUint32)
	}
	return wrapperspb.UInt32(uint32(n))
}

// keepalive translates the probes of idle connections; what is not given stays
// with the operating system.
func keepalive(in *networking.ConnectionPoolSettings_TCPSettings_TcpKeepalive) *corev3.TcpKeepalive {
	out := &corev3.TcpKeepalive{}
	if in.GetProbes() > 0 {
		out.KeepaliveProbes = wrapperspb.UInt32(in.GetProbes())
	}
	if d := in.GetTime(); d != nil {
		out.KeepaliveTime = wrapperspb.UInt32(uint32(d.GetSeconds()))
	}
	if d := in.GetInterval(); d != nil {
		out.KeepaliveInterval = wrapperspb.UInt32(uint32(d.GetSeconds()))
	}
	return out
}

// retryBudget limits retries to a share of the requests: 20 % and 3 at a time
// unless told.
func retryBudget(in *networking.TrafficPolicy_RetryBudget) *clusterv3.CircuitBreakers_Thresholds_RetryBudget {
	if in == nil {
		return nil
	}
	out := &clusterv3.CircuitBreakers_Thresholds_RetryBudget{
		BudgetPercent:       &typev3.Percent{Value: 20},
		BudgetInterval:      in.GetBudgetInterval(),
		MinRetryConcurrency: wrapperspb.UInt32(3),
	}
	if in.GetPercent() != nil {
		out.BudgetPercent.Value = in.GetPercent().GetValue()
	}
	if in.GetMinRetryConcurrency() > 0 {
		out.MinRetryConcurrency = wrapperspb.UInt32(in.GetMinRetryConcurrency())
	}
	return out
}

// outlierDetection translates the ejection of failing hosts; istiod never ejects
// by success rate.
func outlierDetection(o *networking.OutlierDetection) *clusterv3.OutlierDetection {
	out := &clusterv3.OutlierDetection{
		Interval:             o.GetInterval(),
		BaseEjectionTime:     o.GetBaseEjectionTime(),
		EnforcingSuccessRate: wrapperspb.UInt32(0),
	}
	if n := o.GetConsecutive_5XxErrors(); n != nil {
		out.Consecutive_5Xx, out.EnforcingConsecutive_5Xx = wrapperspb.UInt32(n.GetValue()), enforce(n)
	}
	if n := o.GetConsecutiveGatewayErrors(); n != nil {
		out.ConsecutiveGatewayFailure, out.EnforcingConsecutiveGatewayFailure = wrapperspb.UInt32(n.GetValue()), enforce(n)
	}
	if n := o.GetMaxEjectionPercent(); n > 0 {
		out.MaxEjectionPercent = wrapperspb.UInt32(uint32(n))
	}
	if o.GetSplitExternalLocalOriginErrors() {
		out.SplitExternalLocalOriginErrors = true
		if n := o.GetConsecutiveLocalOriginFailures(); n.GetValue() > 0 {
			out.ConsecutiveLocalOriginFailure, out.EnforcingConsecutiveLocalOriginFailure = wrapperspb.UInt32(n.GetValue()), enforce(n)
		}
		out.EnforcingLocalOriginSuccessRate = wrapperspb.UInt32(0)
	}
	return out
}

// enforce is the share of ejections that are carried out: a count of 0 turns the
// detector off.
func enforce(n *wrapperspb.UInt32Value) *wrapperspb.UInt32Value {
	if n.GetValue() > 0 {
		return wrapperspb.UInt32(100)
	}
	return wrapperspb.UInt32(0)
}
