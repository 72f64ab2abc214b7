package engine

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	caresv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/network/dns_resolver/cares/v3"
	getaddrinfov3 "github.com/envoyproxy/go-control-plane/envoy/extensions/network/dns_resolver/getaddrinfo/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/crossgate/crossgate/internal/upstream"
)

// runs lists, per message of the xDS API, the fields that the engine carries out,
// and after the bar those that it may leave aside because requests do not notice
// (names for statistics, tuning, tracing without a provider). A field that is in
// neither list is refused: nothing is silently ignored. The messages within these
// are in below.
var runs = map[protoreflect.FullName]string{
	"envoy.config.listener.v3.Listener": "name address filter_chains listener_filters traffic_direction metadata | stat_prefix" +
		" max_connections_to_accept_per_socket_event per_connection_buffer_limit_bytes enable_reuse_port enable_mptcp listener_filters_timeout tcp_backlog_size ignore_global_conn_limit",
	"envoy.config.listener.v3.FilterChain":      "filter_chain_match filters transport_socket transport_socket_connect_timeout | name metadata",
	"envoy.config.listener.v3.FilterChainMatch": "server_names",
	"envoy.config.listener.v3.Filter":           "name typed_config",
	"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager": "codec_type stat_prefix route_config rds http_filters access_log" +
		" server_name server_header_transformation use_remote_address xff_num_trusted_hops skip_xff_append via generate_request_id preserve_external_request_id" +
		" always_set_request_id_in_response normalize_path merge_slashes path_with_escaped_slashes_action common_http_protocol_options http_protocol_options" +
		" stream_idle_timeout request_timeout request_headers_timeout max_request_headers_kb upgrade_configs strip_any_host_port strip_trailing_host_dot proxy_100_continue" +
		" request_id_extension local_reply_config forward_client_cert_details tracing http2_protocol_options set_current_client_cert_details | drain_timeout delayed_close_timeout add_user_agent access_log_options",
	"envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter": "name typed_config",
	"envoy.extensions.filters.network.http_connection_manager.v3.Rds":        "route_config_name | config_source",
	"envoy.config.core.v3.KeepaliveSettings":                                 "interval timeout | interval_jitter connection_idle_interval",
	"envoy.config.core.v3.Http2ProtocolOptions": "max_concurrent_streams connection_keepalive | hpack_table_size initial_stream_window_size initial_connection_window_size" +
		" max_outbound_frames max_outbound_control_frames max_consecutive_inbound_frames_with_empty_payload max_inbound_priority_frames_per_stream" +
		" max_inbound_window_update_frames_per_data_frame_sent override_stream_error_on_invalid_http_message",
	"envoy.config.core.v3.HttpProtocolOptions":                  "idle_timeout max_headers_count headers_with_underscores_action",
	"envoy.config.core.v3.Http1ProtocolOptions":                 "header_key_format enable_trailers allow_absolute_url accept_http_10 default_host_for_http_10 allow_chunked_length allow_custom_methods",
	"envoy.config.core.v3.Http1ProtocolOptions.HeaderKeyFormat": "proper_case_words",
	"envoy.config.route.v3.RouteConfiguration": "name virtual_hosts request_headers_to_add request_headers_to_remove response_headers_to_add response_headers_to_remove" +
		" ignore_port_in_host_matching max_direct_response_body_size_bytes typed_per_filter_config request_mirror_policies | validate_clusters metadata",
	"envoy.config.route.v3.VirtualHost": "name domains routes require_tls request_headers_to_add request_headers_to_remove response_headers_to_add response_headers_to_remove" +
		" cors typed_per_filter_config include_request_attempt_count include_attempt_count_in_response retry_policy request_mirror_policies metadata | virtual_clusters",
	"envoy.config.route.v3.Route": "name match route redirect direct_response request_headers_to_add request_headers_to_remove response_headers_to_add response_headers_to_remove" +
		" typed_per_filter_config decorator metadata | tracing stat_prefix",
	"envoy.config.route.v3.RouteMatch": "prefix path path_separated_prefix safe_regex case_sensitive headers query_parameters cookies path_match_policy runtime_fraction grpc",
	"envoy.config.route.v3.HeaderMatcher": "name exact_match safe_regex_match range_match present_match prefix_match suffix_match contains_match string_match" +
		" invert_match treat_missing_header_as_empty",
	"envoy.config.route.v3.QueryParameterMatcher": "name string_match present_match",
	"envoy.config.route.v3.CookieMatcher":         "name string_match invert_match",
	"envoy.config.route.v3.RouteAction": "cluster cluster_header weighted_clusters cluster_not_found_response_code prefix_rewrite regex_rewrite host_rewrite_literal" +
		" host_rewrite_header host_rewrite_path_regex append_x_forwarded_host timeout idle_timeout retry_policy cors upgrade_configs internal_redirect_policy request_mirror_policies | max_grpc_timeout",
	"envoy.config.route.v3.RouteAction.RequestMirrorPolicy": "cluster cluster_header runtime_fraction disable_shadow_host_suffix_append host_rewrite_literal" +
		" request_headers_mutations | trace_sampled",
	"envoy.config.common.mutation_rules.v3.HeaderMutation": "append remove remove_on_match",
	"envoy.config.route.v3.WeightedCluster":                "clusters | total_weight runtime_key_prefix",
	"envoy.config.route.v3.WeightedCluster.ClusterWeight": "name cluster_header weight request_headers_to_add request_headers_to_remove response_headers_to_add" +
		" response_headers_to_remove typed_per_filter_config host_rewrite_literal",
	"envoy.config.route.v3.RetryPolicy": "retry_on num_retries per_try_timeout retriable_status_codes retry_back_off retry_host_predicate host_selection_retry_max_attempts | retry_priority",
	"envoy.config.route.v3.RedirectAction": "https_redirect scheme_redirect host_redirect port_redirect path_redirect prefix_rewrite regex_rewrite" +
		" response_code strip_query",
	"envoy.config.route.v3.DirectResponseAction":     "status body",
	"envoy.config.core.v3.HeaderValueOption":         "header append append_action keep_empty_value",
	"envoy.extensions.filters.http.router.v3.Router": "suppress_envoy_headers | dynamic_stats start_child_span",
	"envoy.extensions.filters.http.fault.v3.HTTPFault": "delay abort upstream_cluster downstream_nodes headers max_active_faults delay_percent_runtime" +
		" abort_percent_runtime delay_duration_runtime abort_http_status_runtime abort_grpc_status_runtime max_active_faults_runtime" +
		" | response_rate_limit_percent_runtime disable_downstream_cluster_stats",
	"envoy.extensions.filters.http.fault.v3.FaultAbort":                       "http_status grpc_status header_abort percentage",
	"envoy.extensions.filters.common.fault.v3.FaultDelay":                     "fixed_delay header_delay percentage",
	"envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext":          "common_tls_context require_client_certificate disable_stateless_session_resumption",
	"envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext":            "common_tls_context sni auto_host_sni auto_sni_san_validation | max_session_keys",
	"envoy.extensions.filters.http.header_mutation.v3.HeaderMutation":         "mutations",
	"envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute": "mutations",
	"envoy.extensions.filters.http.header_mutation.v3.Mutations":              "request_mutations response_mutations",
	"envoy.extensions.common.matching.v3.ExtensionWithMatcher":                "xds_matcher extension_config",
	"envoy.extensions.common.matching.v3.ExtensionWithMatcherPerRoute":        "xds_matcher",
	"envoy.extensions.transport_sockets.tls.v3.CommonTlsContext": "tls_params tls_certificates tls_certificate_sds_secret_configs alpn_protocols" +
		" validation_context combined_validation_context validation_context_sds_secret_config",
	"envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CombinedCertificateValidationContext": "default_validation_context validation_context_sds_secret_config",
	"envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext": "trusted_ca match_typed_subject_alt_names match_subject_alt_names verify_certificate_hash" +
		" verify_certificate_spki system_root_certs",
	"envoy.extensions.transport_sockets.tls.v3.TlsParameters":   "tls_minimum_protocol_version tls_maximum_protocol_version",
	"envoy.extensions.transport_sockets.tls.v3.TlsCertificate":  "certificate_chain private_key",
	"envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig": "name | sds_config",
	"envoy.config.cluster.v3.Cluster": "name type eds_cluster_config connect_timeout lb_policy circuit_breakers load_assignment transport_socket transport_socket_matches" +
		" typed_extension_protocol_options dns_lookup_family dns_refresh_rate dns_failure_refresh_rate respect_dns_ttl dns_jitter typed_dns_resolver_config" +
		" outlier_detection upstream_connection_options metadata alt_stat_name common_lb_config | per_connection_buffer_limit_bytes least_request_lb_config round_robin_lb_config",
	"envoy.config.cluster.v3.OutlierDetection": "consecutive_5xx enforcing_consecutive_5xx consecutive_gateway_failure enforcing_consecutive_gateway_failure" +
		" split_external_local_origin_errors consecutive_local_origin_failure enforcing_consecutive_local_origin_failure interval base_ejection_time" +
		" max_ejection_time max_ejection_percent enforcing_success_rate enforcing_failure_percentage enforcing_failure_percentage_local_origin" +
		" enforcing_local_origin_success_rate always_eject_one_host | success_rate_minimum_hosts success_rate_request_volume" +
		" success_rate_stdev_factor failure_percentage_threshold failure_percentage_minimum_hosts failure_percentage_request_volume",
	"envoy.config.cluster.v3.Cluster.EdsClusterConfig": "service_name | eds_config",
}

// unsupported returns an error for every field that is set in m, or in the
// messages below it, and that the engine does not carry out. What is packed in an Any
// is for the code that unpacks it.
func unsupported(m proto.Message) error {
	var errs []error
	collectUnsupported(m.ProtoReflect(), rules[m.ProtoReflect().Descriptor().FullName()], "", &errs)
	return errors.Join(errs...)
}

func collectUnsupported(m protoreflect.Message, r rule, path string, errs *[]error) {
	if r == nil {
		return // a Duration and its like; TestEachMessageHasItsFields knows all others
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		run, taken := r[fd.Name()]
		if !taken {
			*errs = append(*errs, fmt.Errorf("%s: this field of %s is not supported", joinPath(path, fd), m.Descriptor().Name()))
			return true
		}
		if !run || fd.Message() == nil || fd.IsMap() || separate[fd.FullName()] {
			return true
		}
		inner, ok := rules[fd.FullName()]
		if !ok {
			inner = rules[fd.Message().FullName()]
		}
		if inner == nil {
			return true
		}
		at := joinPath(path, fd)
		if !fd.IsList() {
			collectUnsupported(v.Message(), inner, at, errs)
			return true
		}
		for i := range v.List().Len() {
			collectUnsupported(v.List().Get(i).Message(), inner, fmt.Sprintf("%s[%d]", at, i), errs)
		}
		return true
	})
}

func joinPath(path string, fd protoreflect.FieldDescriptor) string {
	return strings.TrimPrefix(path+"."+string(fd.Name()), ".")
}

// separate are the fields whose messages are compiled on their own, so that a
// fault in one does not take its parent down.
var separate = map[protoreflect.FullName]bool{
	"envoy.config.listener.v3.Listener.filter_chains":                                                true,
	"envoy.config.route.v3.RouteConfiguration.virtual_hosts":                                         true,
	"envoy.config.route.v3.VirtualHost.routes":                                                       true,
	"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.route_config": true,
}

// checkCluster refuses clusters that would be reached in another way than they
// ask for.
func (c *compiler) checkCluster(cl *clusterv3.Cluster) error {
	if err := unsupported(cl); err != nil {
		return err
	}
	if err := checkResolver(cl); err != nil {
		return prefixed("typed_dns_resolver_config", err)
	}
	if cl.GetType() == clusterv3.Cluster_EDS {
		name := cmp.Or(cl.GetEdsClusterConfig().GetServiceName(), cl.GetName())
		if load := c.loads[name]; load != nil {
			if err := unsupported(load); err != nil {
				return prefixed("endpoints "+name, err)
			}
		}
	}
	if err := checkHosts(cl); err != nil {
		return err
	}
	o, err := upstream.ProtocolOptions(cl)
	if err != nil {
		return err
	}
	switch {
	case o.GetExplicitHttpConfig().GetHttp3ProtocolOptions() != nil, o.GetUseDownstreamProtocolConfig().GetHttp3ProtocolOptions() != nil:
		return errors.New("typed_extension_protocol_options: http3_protocol_options: HTTP/3 to services is not supported")
	case o.GetAutoConfig() != nil:
		return errors.New("typed_extension_protocol_options: auto_config: a protocol to services that depends on ALPN is not supported")
	}
	if err := unsupported(o); err != nil {
		return prefixed("typed_extension_protocol_options", err)
	}
	return nil
}

// checkResolver refuses resolvers of names, and what their settings ask for, that are
// not known.
func checkResolver(cl *clusterv3.Cluster) error {
	typed, cares, system := cl.GetTypedDnsResolverConfig().GetTypedConfig(), &caresv3.CaresDnsResolverConfig{}, &getaddrinfov3.GetAddrInfoDnsResolverConfig{}
	switch {
	case typed == nil:
		return nil
	case typed.MessageIs(cares):
		return unpack(typed, cares)
	case typed.MessageIs(system):
		return unpack(typed, system)
	}
	return fmt.Errorf("%s is not supported", typed.GetTypeUrl())
}

// checkHosts refuses ways to find hosts, and to choose among them, that are not
// known. As in Envoy, hosts that are where a client meant to go are chosen in no
// other way, and cannot be listed.
func checkHosts(c *clusterv3.Cluster) error {
	provided := c.GetLbPolicy() == clusterv3.Cluster_CLUSTER_PROVIDED
	switch c.GetType() {
	case clusterv3.Cluster_STATIC, clusterv3.Cluster_EDS, clusterv3.Cluster_STRICT_DNS, clusterv3.Cluster_LOGICAL_DNS:
	case clusterv3.Cluster_ORIGINAL_DST:
		if !provided {
			return fmt.Errorf("lb_policy %s does not go with type ORIGINAL_DST, which needs CLUSTER_PROVIDED", c.GetLbPolicy())
		}
		if c.GetLoadAssignment() != nil {
			return errors.New("load_assignment does not go with type ORIGINAL_DST")
		}
		return nil
	default:
		return fmt.Errorf("type %s is not supported", c.GetType())
	}
	switch c.GetLbPolicy() {
	case clusterv3.Cluster_ROUND_ROBIN, clusterv3.Cluster_LEAST_REQUEST, clusterv3.Cluster_RANDOM:
	case clusterv3.Cluster_CLUSTER_PROVIDED:
		return fmt.Errorf("lb_policy CLUSTER_PROVIDED does not go with type %s", c.GetType())
	default:
		return fmt.Errorf("lb_policy %s is not supported", c.GetLbPolicy())
	}
	return nil
}
