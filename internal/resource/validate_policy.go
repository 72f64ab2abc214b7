package resource

import (
	networking "istio.io/api/networking/v1alpha3"
)

func validateDestinationRule(v *validator) {
	dr := v.Spec.(*networking.DestinationRule)
	v.check("spec.host", wildcardDomain(dr.Host))
	v.trafficPolicy(dr.TrafficPolicy, "spec.trafficPolicy")
	names := make(map[string]bool)
	for i, s := range dr.Subsets {
		path := at("spec.subsets", i)
		switch {
		case !isLabel(s.Name):
			v.errorf(path+".name", "%q is not a subset name", s.Name)
		case names[s.Name]:
			v.errorf(path+".name", "the subset %q is defined twice", s.Name)
		}
		names[s.Name] = true
		v.check(path+".labels", validLabels(s.Labels))
		v.trafficPolicy(s.TrafficPolicy, path+".trafficPolicy")
	}
	v.exportTo(dr.ExportTo)
	if dr.WorkloadSelector != nil {
		v.ownNamespace(dr.ExportTo)
		v.selector(dr.WorkloadSelector.MatchLabels, "spec.workloadSelector.matchLabels")
	}
}

// ownNamespace checks the exportTo of a rule that is for some workloads: those are
// of its own namespace.
func (v *validator) ownNamespace(exportTo []string) {
	for i, name := range exportTo {
		if name != "." && name != v.Namespace {
			v.errorf(at("spec.exportTo", i), "a DestinationRule with a workloadSelector is for its own namespace only")
		}
	}
}

func (v *validator) trafficPolicy(p *networking.TrafficPolicy, path string) {
	switch {
	case p == nil:
		return
	case p.LoadBalancer == nil && p.ConnectionPool == nil && p.OutlierDetection == nil && p.Tls == nil &&
		p.PortLevelSettings == nil && p.Tunnel == nil && p.ProxyProtocol == nil && p.RetryBudget == nil:
		v.errorf(path, "a traffic policy needs a setting")
		return
	case p.Tunnel != nil && p.ProxyProtocol != nil:
		v.errorf(path+".proxyProtocol", "a traffic policy has tunnel or proxyProtocol, not both")
		return
	}
	v.portPolicy(p, path)
	for i, s := range p.PortLevelSettings {
		q := at(path+".portLevelSettings", i)
		if s.Port == nil {
			v.errorf(q+".port", "settings of a port need the port")
		}
		if s.LoadBalancer == nil && s.ConnectionPool == nil && s.OutlierDetection == nil && s.Tls == nil {
			v.errorf(q, "settings of a port need a setting")
		}
		v.portPolicy(s, q)
	}
	v.tunnel(p.Tunnel, path+".tunnel")
	if n := p.ProxyProtocol.GetVersion(); n != networking.TrafficPolicy_ProxyProtocol_V1 && n != networking.TrafficPolicy_ProxyProtocol_V2 {
		v.errorf(path+".proxyProtocol.version", "there is no version %d of the PROXY protocol", n)
	}
}

// portPolicy checks what a traffic policy and its settings for a port share.
func (v *validator) portPolicy(p interface {
	GetOutlierDetection() *networking.OutlierDetection
	GetConnectionPool() *networking.ConnectionPoolSettings
	GetLoadBalancer() *networking.LoadBalancerSettings
	GetTls() *networking.ClientTLSSettings
}, path string,
) {
	v.outlierDetection(p.GetOutlierDetection(), path+".outlierDetection")
	v.connectionPool(p.GetConnectionPool(), path+".connectionPool")
	v.loadBalancer(p.GetLoadBalancer(), path+".loadBalancer")
	v.clientTLS(p.GetTls(), path+".tls")
}

func (v *validator) outlierDetection(o *networking.OutlierDetection, path string) {
	if o == nil {
		return
	}
	v.duration(o.BaseEjectionTime, path+".baseEjectionTime")
	v.duration(o.Interval, path+".interval")
	if !o.SplitExternalLocalOriginErrors && o.ConsecutiveLocalOriginFailures.GetValue() > 0 {
		v.errorf(path+".consecutiveLocalOriginFailures", "consecutiveLocalOriginFailures needs splitExternalLocalOriginErrors: true")
	}
	for _, f := range []struct {
		name  string
		value int32
	}{{"maxEjectionPercent", o.MaxEjectionPercent}, {"minHealthPercent", o.MinHealthPercent}} {
		if f.value < 0 || f.value > 100 {
			v.errorf(path+"."+f.name, "the percentage %d is not in 0..100", f.value)
		}
	}
}

func (v *validator) connectionPool(p *networking.ConnectionPoolSettings, path string) {
	if p == nil {
		return
	}
	if p.Http == nil && p.Tcp == nil {
		v.errorf(path, "a connection pool needs http or tcp")
	}
	if h := p.Http; h != nil {
		v.httpPool(h, path+".http")
	}
	if t := p.Tcp; t != nil {
		v.notNegative(path+".tcp.maxConnections", t.MaxConnections)
		v.duration(t.ConnectTimeout, path+".tcp.connectTimeout")
		v.duration(t.MaxConnectionDuration, path+".tcp.maxConnectionDuration")
		if t.IdleTimeout.AsDuration().Milliseconds() != 0 { // 0 is for ever
			v.duration(t.IdleTimeout, path+".tcp.idleTimeout")
		}
		v.duration(t.TcpKeepalive.GetTime(), path+".tcp.tcpKeepalive.time")
		v.duration(t.TcpKeepalive.GetInterval(), path+".tcp.tcpKeepalive.interval")
	}
}

func (v *validator) httpPool(h *networking.ConnectionPoolSettings_HTTPSettings, path string) {
	v.notNegative(path+".http1MaxPendingRequests", h.Http1MaxPendingRequests)
	v.notNegative(path+".http2MaxRequests", h.Http2MaxRequests)
	v.notNegative(path+".maxRequestsPerConnection", h.MaxRequestsPerConnection)
	v.notNegative(path+".maxRetries", h.MaxRetries)
	v.notNegative(path+".maxConcurrentStreams", h.MaxConcurrentStreams)
	v.duration(h.IdleTimeout, path+".idleTimeout")
	if h.UseClientProtocol && h.H2UpgradePolicy == networking.ConnectionPoolSettings_HTTPSettings_UPGRADE {
		v.errorf(path+".useClientProtocol", "useClientProtocol cannot be together with h2UpgradePolicy: UPGRADE")
	}
	if k := h.Http2KeepAlive; k != nil {
		v.needsDuration(k.Interval, path+".http2KeepAlive.interval")
		v.needsDuration(k.Timeout, path+".http2KeepAlive.timeout")
	}
}

func (v *validator) notNegative(path string, n int32) {
	if n < 0 {
		v.errorf(path, "%d is negative", n)
	}
}

func (v *validator) tunnel(t *networking.TrafficPolicy_TunnelSettings, path string) {
	if t == nil {
		return
	}
	if t.Protocol != "" && t.Protocol != "CONNECT" && t.Protocol != "POST" {
		v.errorf(path+".protocol", `the protocol of a tunnel is "CONNECT" or "POST", not %s`, quote(t.Protocol))
	}
	if !isIP(t.TargetHost) {
		v.check(path+".targetHost", domain(t.TargetHost))
	}
	v.check(path+".targetPort", port(t.TargetPort))
}
