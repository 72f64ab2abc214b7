package check

import (
	"fmt"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

func (p *Pass) serviceEntryWarnings(r *resource.Resource, se *networking.ServiceEntry) {
	if se.WorkloadSelector != nil && len(se.WorkloadSelector.Labels) == 0 {
		p.Report(r, "spec.workloadSelector", diag.Warning, "a selector without labels is for all workloads of the namespace")
	}
	if se.WorkloadSelector != nil && se.Resolution == networking.ServiceEntry_NONE {
		p.Report(r, "spec.workloadSelector", diag.Warning, "resolution NONE has no endpoints that could be selected")
	}
	for i, host := range se.Hosts {
		if se.Resolution != networking.ServiceEntry_DYNAMIC_DNS && partialWildcard(host) {
			p.Report(r, fmt.Sprintf("spec.hosts[%d]", i), diag.Warning, "%q: a wildcard stands for whole labels only, as in *.example.com", host)
		}
	}
	if se.Resolution == networking.ServiceEntry_STATIC {
		for i, e := range se.Endpoints {
			p.workloadWarnings(r, e, fmt.Sprintf("spec.endpoints[%d]", i))
		}
	}
	byDNS := se.Resolution == networking.ServiceEntry_DNS || se.Resolution == networking.ServiceEntry_DNS_ROUND_ROBIN
	if byDNS && len(se.Addresses) > 0 && len(se.Hosts) > 1 {
		for i, port := range se.Ports {
			if overTCP(port.GetProtocol()) {
				p.Report(r, fmt.Sprintf("spec.ports[%d]", i), diag.Warning, "several hosts with addresses and a port of TCP: sidecars cannot tell the hosts apart")
				break
			}
		}
	}
}

func partialWildcard(host string) bool {
	return strings.Contains(host, "*") && len(host) > 1 && !strings.HasPrefix(host, "*.")
}

// overTCP reports whether a protocol is one that Istio routes by address.
func overTCP(protocol string) bool {
	switch strings.ToLower(protocol) {
	case "tcp", "https", "tls", "mongo", "redis", "mysql":
		return true
	}
	return false
}

func (p *Pass) workloadWarnings(r *resource.Resource, e *networking.WorkloadEntry, path string) {
	if e.GetAddress() == "" && e.GetNetwork() != "" {
		p.Report(r, path+".network", diag.Warning, "there is no address; the gateway of the network %q is one for sidecars only", e.GetNetwork())
	}
}

// deprecatedFilters are Envoy's old names of filters that Istio warns of
// (ReverseDeprecatedFilterNames in its pkg/config/xds).
var deprecatedFilters = map[string]string{
	"envoy.buffer":                  "envoy.filters.http.buffer",
	"envoy.cors":                    "envoy.filters.http.cors",
	"envoy.csrf":                    "envoy.filters.http.csrf",
	"envoy.http_dynamo_filter":      "envoy.filters.http.dynamo",
	"envoy.ext_authz":               "envoy.filters.http.ext_authz",
	"envoy.fault":                   "envoy.filters.http.fault",
	"envoy.grpc_http1_bridge":       "envoy.filters.http.grpc_http1_bridge",
	"envoy.grpc_json_transcoder":    "envoy.filters.http.grpc_json_transcoder",
	"envoy.grpc_web":                "envoy.filters.http.grpc_web",
	"envoy.gzip":                    "envoy.filters.http.gzip",
	"envoy.health_check":            "envoy.filters.http.health_check",
	"envoy.ip_tagging":              "envoy.filters.http.ip_tagging",
	"envoy.lua":                     "envoy.filters.http.lua",
	"envoy.rate_limit":              "envoy.filters.http.ratelimit",
	"envoy.router":                  "envoy.filters.http.router",
	"envoy.squash":                  "envoy.filters.http.squash",
	"envoy.listener.http_inspector": "envoy.filters.listener.http_inspector",
	"envoy.listener.original_dst":   "envoy.filters.listener.original_dst",
	"envoy.listener.original_src":   "envoy.filters.listener.original_src",
	"envoy.listener.proxy_protocol": "envoy.filters.listener.proxy_protocol",
	"envoy.listener.tls_inspector":  "envoy.filters.listener.tls_inspector",
	"envoy.client_ssl_auth":         "envoy.filters.network.client_ssl_auth",
	"envoy.http_connection_manager": "envoy.filters.network.http_connection_manager",
	"envoy.mongo_proxy":             "envoy.filters.network.mongo_proxy",
	"envoy.ratelimit":               "envoy.filters.network.ratelimit",
	"envoy.redis_proxy":             "envoy.filters.network.redis_proxy",
	"envoy.tcp_proxy":               "envoy.filters.network.tcp_proxy",
}

func (p *Pass) envoyFilterWarnings(r *resource.Resource, ef *networking.EnvoyFilter) {
	p.Report(r, "", diag.Warning, "an EnvoyFilter depends on the insides of the proxy, which may change with every version; prefer other kinds where they do")
	if s := ef.WorkloadSelector; s != nil && len(s.Labels) == 0 {
		p.Report(r, "spec.workloadSelector", diag.Warning, "a selector without labels is for all workloads of the namespace")
	}
	for i, patch := range ef.ConfigPatches {
		match := patch.GetMatch()
		if match.GetContext() == networking.EnvoyFilter_WAYPOINT {
			continue
		}
		path := fmt.Sprintf("spec.configPatches[%d].match", i)
		if len(match.GetProxy().GetProxyVersion()) > 1024 {
			p.Report(r, path+".proxy.proxyVersion", diag.Warning, "an expression of more than 1024 characters is ignored")
		}
		filter := match.GetListener().GetFilterChain().GetFilter()
		path += ".listener.filterChain.filter"
		if to := patch.GetApplyTo(); filter != nil && (to == networking.EnvoyFilter_LISTENER || to == networking.EnvoyFilter_FILTER_CHAIN) {
			p.Report(r, path, diag.Warning, "a match of a filter has no effect on %s", to)
		}
		for at, name := range map[string]string{path + ".name": filter.GetName(), path + ".subFilter.name": filter.GetSubFilter().GetName()} {
			if now := deprecatedFilters[name]; now != "" {
				p.Report(r, at, diag.Warning, "the filter %q is now called %q", name, now)
			}
		}
	}
}
