package engine

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// below lists the fields of the messages that stand within those of runs, in the same
// form. A list under the name of a field is for the message in that field, where it is
// read in another way than elsewhere.
var below = map[protoreflect.FullName]string{
	// Listeners and what connections are accepted by.
	"envoy.config.core.v3.Address":                  "socket_address",
	"envoy.config.core.v3.SocketAddress":            "protocol address port_value",
	"envoy.config.listener.v3.ListenerFilter":       "name typed_config",
	"envoy.config.core.v3.TransportSocket":          "name typed_config",
	"envoy.config.core.v3.TypedExtensionConfig":     "typed_config | name",
	"envoy.config.core.v3.Metadata":                 "filter_metadata | typed_filter_metadata",
	"envoy.config.core.v3.DataSource":               "filename inline_bytes inline_string environment_variable",
	"envoy.config.core.v3.RuntimeFractionalPercent": "default_value runtime_key",
	"envoy.config.core.v3.RuntimeUInt32":            "default_value runtime_key",
	"envoy.type.v3.FractionalPercent":               "numerator denominator",
	"envoy.type.v3.Percent":                         "value",
	"envoy.type.v3.Int64Range":                      "start end",
	"envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector": "| enable_ja3_fingerprinting enable_ja4_fingerprinting initial_read_buffer_size" +
		" max_client_hello_size",

	// Connection managers.
	manager3 + ".HttpConnectionManager.Tracing": "| client_sampling random_sampling overall_sampling verbose max_path_tag_length custom_tags spawn_upstream_span" +
		" operation upstream_operation no_context_propagation",
	manager3 + ".HttpConnectionManager.UpgradeConfig":                           "upgrade_type enabled",
	manager3 + ".HttpConnectionManager.SetCurrentClientCertDetails":             "subject cert chain dns uri",
	manager3 + ".RequestIDExtension":                                            "typed_config",
	manager3 + ".LocalReplyConfig":                                              "mappers body_format",
	manager3 + ".ResponseMapper":                                                "filter status_code body body_format_override headers_to_add",
	"envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig":                   "| pack_trace_reason use_request_id_for_trace_sampling",
	"envoy.extensions.filters.http.cors.v3.Cors":                                "",
	"envoy.extensions.filters.http.cors.v3.CorsPolicy":                          corsFields,
	"envoy.config.route.v3.CorsPolicy":                                          corsFields,
	"envoy.extensions.filters.common.fault.v3.FaultDelay.HeaderDelay":           "",
	"envoy.extensions.filters.http.fault.v3.FaultAbort.HeaderAbort":             "",
	"envoy.config.route.v3.FilterConfig":                                        "config disabled",
	"envoy.config.common.mutation_rules.v3.HeaderMutation.RemoveOnMatch":        "key_matcher",
	"envoy.config.core.v3.HeaderValue":                                          "key value raw_value",
	"envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat.ProperCaseWords": "",
	"envoy.extensions.filters.http.grpc_stats.v3.FilterConfig": "| emit_filter_state individual_method_stats_allowlist stats_for_all_methods enable_upstream_stats" +
		" replace_dots_in_grpc_service_name",

	// Access logs and their filters.
	"envoy.config.accesslog.v3.AccessLog": "filter typed_config | name",
	"envoy.config.accesslog.v3.AccessLogFilter": "status_code_filter duration_filter not_health_check_filter runtime_filter and_filter or_filter header_filter" +
		" response_flag_filter grpc_status_filter log_type_filter",
	"envoy.config.accesslog.v3.StatusCodeFilter":                      "comparison",
	"envoy.config.accesslog.v3.DurationFilter":                        "comparison",
	"envoy.config.accesslog.v3.ComparisonFilter":                      "op value",
	"envoy.config.accesslog.v3.NotHealthCheckFilter":                  "",
	"envoy.config.accesslog.v3.RuntimeFilter":                         "runtime_key percent_sampled | use_independent_randomness",
	"envoy.config.accesslog.v3.AndFilter":                             "filters",
	"envoy.config.accesslog.v3.OrFilter":                              "filters",
	"envoy.config.accesslog.v3.HeaderFilter":                          "header",
	"envoy.config.accesslog.v3.ResponseFlagFilter":                    "flags",
	"envoy.config.accesslog.v3.GrpcStatusFilter":                      "statuses exclude",
	"envoy.config.accesslog.v3.LogTypeFilter":                         "types exclude",
	"envoy.extensions.access_loggers.file.v3.FileAccessLog":           "path format json_format typed_json_format log_format",
	"envoy.extensions.access_loggers.stream.v3.StdoutAccessLog":       "log_format",
	"envoy.extensions.access_loggers.stream.v3.StderrAccessLog":       "log_format",
	"envoy.config.core.v3.SubstitutionFormatString":                   "text_format json_format text_format_source omit_empty_values content_type formatters | json_format_options",
	"envoy.extensions.formatter.metadata.v3.Metadata":                 "",
	"envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery": "",

	// Routes.
	"envoy.config.route.v3.RouteMatch.GrpcRouteMatchOptions":               "",
	"envoy.config.route.v3.Decorator":                                      "operation propagate",
	"envoy.config.route.v3.InternalRedirectPolicy":                         "max_internal_redirects redirect_response_codes allow_cross_scheme_redirect",
	"envoy.config.route.v3.RetryPolicy.RetryBackOff":                       "base_interval max_interval",
	"envoy.config.route.v3.RetryPolicy.RetryHostPredicate":                 "name typed_config",
	"envoy.config.route.v3.RouteAction.UpgradeConfig":                      "upgrade_type enabled",
	"envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig":   "path_template",
	"envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate": "",
	"envoy.type.matcher.v3.RegexMatchAndSubstitute":                        "pattern substitution",
	"envoy.type.matcher.v3.RegexMatcher":                                   "regex | google_re2",
	"envoy.type.matcher.v3.StringMatcher":                                  "exact prefix suffix safe_regex contains ignore_case",
	"envoy.type.matcher.v3.HttpRequestHeaderMatchInput":                    "header_name",
	"envoy.type.matcher.v3.HttpResponseHeaderMatchInput":                   "header_name",
	"envoy.extensions.filters.common.matcher.action.v3.SkipFilter":         "",
	"xds.core.v3.TypedExtensionConfig":                                     "typed_config | name",
	matcher3:                                                               "matcher_list on_no_match",
	matcher3 + ".OnMatch":                                                  "matcher action",
	matcher3 + ".MatcherList":                                              "matchers",
	matcher3 + ".MatcherList.FieldMatcher":                                 "predicate on_match",
	matcher3 + ".MatcherList.Predicate":                                    "single_predicate or_matcher and_matcher not_matcher",
	matcher3 + ".MatcherList.Predicate.PredicateList":                      "predicate",
	matcher3 + ".MatcherList.Predicate.SinglePredicate":                    "input value_match",
	"xds.type.matcher.v3.StringMatcher":                                    "exact prefix suffix safe_regex contains ignore_case",
	"xds.type.matcher.v3.RegexMatcher":                                     "regex | google_re2",

	// Secrets.
	"envoy.extensions.transport_sockets.tls.v3.Secret":                                       "name tls_certificate validation_context | session_ticket_keys generic_secret",
	"envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher":                        "san_type matcher",
	"envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.SystemRootCerts": "",
	"envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer":                             "",

	// Clusters and their endpoints.
	cluster3 + ".CircuitBreakers":                        "thresholds",
	cluster3 + ".CircuitBreakers.Thresholds":             "priority max_connections max_pending_requests max_requests max_retries retry_budget | track_remaining",
	cluster3 + ".CircuitBreakers.Thresholds.RetryBudget": "budget_percent min_retry_concurrency budget_interval",
	cluster3 + ".Cluster.RefreshRate":                    "base_interval max_interval",
	cluster3 + ".Cluster.TransportSocketMatch":           "match transport_socket | name",
	cluster3 + ".Cluster.CommonLbConfig": "healthy_panic_threshold locality_weighted_lb_config | zone_aware_lb_config update_merge_window" +
		" ignore_new_hosts_until_first_hc consistent_hashing_lb_config override_host_status",
	cluster3 + ".Cluster.CommonLbConfig.LocalityWeightedLbConfig": "",
	cluster3 + ".UpstreamConnectionOptions":                       "tcp_keepalive | set_local_interface_name_on_upstream_connections",
	"envoy.config.core.v3.TcpKeepalive":                           "keepalive_probes keepalive_time keepalive_interval",
	"envoy.config.core.v3.UpstreamHttpProtocolOptions":            "auto_sni auto_san_validation",
	"envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig": "resolvers dns_resolver_options | query_timeout_seconds query_tries rotate_nameservers" +
		" udp_max_queries max_udp_channel_duration edns0_max_payload_size reinit_channel_on_timeout",
	"envoy.extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig": "| num_retries num_resolver_threads",
	"envoy.config.core.v3.DnsResolverOptions":                                           "use_tcp_for_dns_lookups no_default_search_domain",
	"envoy.config.endpoint.v3.ClusterLoadAssignment":                                    "cluster_name endpoints policy",
	"envoy.config.endpoint.v3.ClusterLoadAssignment.Policy":                             "overprovisioning_factor",
	"envoy.config.endpoint.v3.LocalityLbEndpoints":                                      "lb_endpoints load_balancing_weight priority | locality metadata",
	"envoy.config.endpoint.v3.LbEndpoint":                                               "endpoint health_status metadata load_balancing_weight",
	"envoy.config.endpoint.v3.Endpoint":                                                 "address hostname",
	upstream3:                                                                           "common_http_protocol_options upstream_http_protocol_options explicit_http_config use_downstream_protocol_config",
	upstream3 + ".ExplicitHttpConfig":                                                   "http_protocol_options http2_protocol_options",
	upstream3 + ".UseDownstreamHttpConfig":                                              "http_protocol_options http2_protocol_options",
	// These have other fields than those of listeners.
	upstream3 + ".common_http_protocol_options":                  "idle_timeout max_connection_duration max_requests_per_connection | headers_with_underscores_action",
	upstream3 + ".ExplicitHttpConfig.http_protocol_options":      clientFields,
	upstream3 + ".UseDownstreamHttpConfig.http_protocol_options": clientFields,
}

const (
	manager3  = "envoy.extensions.filters.network.http_connection_manager.v3"
	cluster3  = "envoy.config.cluster.v3"
	matcher3  = "xds.type.matcher.v3.Matcher"
	upstream3 = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

	corsFields = "allow_origin_string_match allow_methods allow_headers expose_headers max_age allow_credentials filter_enabled shadow_enabled" +
		" allow_private_network_access forward_not_matching_preflights"
	clientFields = "enable_trailers header_key_format | allow_absolute_url accept_http_10 default_host_for_http_10 allow_custom_methods"
)

// rule is a list, taken apart. Its fields that are not refused say whether they are
// run.
type rule map[protoreflect.Name]bool

// rules are the lists of runs and below.
var rules = func() map[protoreflect.FullName]rule {
	out := map[protoreflect.FullName]rule{}
	for _, lists := range []map[protoreflect.FullName]string{runs, below} {
		for name, list := range lists {
			r := rule{}
			run, aside, _ := strings.Cut(list, "|")
			for _, f := range strings.Fields(run) {
				r[protoreflect.Name(f)] = true
			}
			for _, f := range strings.Fields(aside) {
				r[protoreflect.Name(f)] = false
			}
			out[name] = r
		}
	}
	return out
}()
