package translate

import (
	"cmp"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	faultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	grpcstatsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/grpc_stats/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	uuidv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/request_id/uuid/v3"
	metadatav3 "github.com/envoyproxy/go-control-plane/envoy/type/metadata/v3"
	tracingv3 "github.com/envoyproxy/go-control-plane/envoy/type/tracing/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/crossgate/crossgate/internal/xds"
)

// httpFilters is the order of the HTTP filters at a gateway, as in
// listener_builder.go of istiod's pilot/pkg/networking/core. What guards
// requests (external authorization, JWT, RBAC) comes before fault and CORS
// there; it has no rows yet because it is not translated yet.
func httpFilters() []httpFilter {
	return []httpFilter{
		// Counts gRPC messages; first, to see every request.
		{"envoy.filters.http.grpc_stats", &grpcstatsv3.FilterConfig{
			EmitFilterState:        true,
			PerMethodStatSpecifier: &grpcstatsv3.FilterConfig_StatsForAllMethods{StatsForAllMethods: wrapperspb.Bool(false)},
		}},
		// Before CORS, so that injected faults carry no CORS headers.
		{filterFault, &faultv3.HTTPFault{}},
		{xds.CorsFilter, &corsv3.Cors{}},
		// The router ends the chain.
		{"envoy.filters.http.router", &routerv3.Router{}},
	}
}

type httpFilter struct {
	name   string
	config proto.Message
}

// connectionManager makes the HTTP connection manager of a server as istiod
// makes it for a gateway.
func (t *translator) connectionManager(s *server, statPrefix string) *hcmv3.HttpConnectionManager {
	path := s.path("port")
	m := &hcmv3.HttpConnectionManager{
		StatPrefix: statPrefix,
		RouteSpecifier: &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{
			ConfigSource: adsConfig(), RouteConfigName: s.routes,
		}},
		Tracing:                  t.tracing(),
		HttpProtocolOptions:      &corev3.Http1ProtocolOptions{},
		ServerName:               "istio-envoy",
		StreamIdleTimeout:        durationpb.New(0),
		UseRemoteAddress:         wrapperspb.Bool(true),
		ForwardClientCertDetails: hcmv3.HttpConnectionManager_SANITIZE_SET,
		SetCurrentClientCertDetails: &hcmv3.HttpConnectionManager_SetCurrentClientCertDetails{
			Subject: wrapperspb.Bool(true), Cert: true, Dns: true, Uri: true,
		},
		Proxy_100Continue:            true,
		UpgradeConfigs:               []*hcmv3.HttpConnectionManager_UpgradeConfig{{UpgradeType: "websocket"}},
		NormalizePath:                wrapperspb.Bool(true),
		PathWithEscapedSlashesAction: hcmv3.HttpConnectionManager_KEEP_UNCHANGED,
		RequestIdExtension: &hcmv3.RequestIDExtension{TypedConfig: t.pack(s.gateway, path, &uuidv3.UuidRequestIdConfig{
			UseRequestIdForTraceSampling: wrapperspb.Bool(true),
		})},
	}
	for _, f := range httpFilters() {
		m.HttpFilters = append(m.HttpFilters, &hcmv3.HttpFilter{
			Name:       f.name,
			ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: t.pack(s.gateway, path, f.config)},
		})
	}
	return m
}

// tracing is the sampling and the tags that istiod sends whether or not a
// tracer is set.
func (t *translator) tracing() *hcmv3.HttpConnectionManager_Tracing {
	literal := func(tag, value string) *tracingv3.CustomTag {
		return &tracingv3.CustomTag{Tag: tag, Type: &tracingv3.CustomTag_Literal_{Literal: &tracingv3.CustomTag_Literal{Value: value}}}
	}
	label := func(name, fallback string) string { return cmp.Or(t.node.Labels[name], fallback) }
	return &hcmv3.HttpConnectionManager_Tracing{
		ClientSampling:  &typev3.Percent{Value: 100},
		RandomSampling:  &typev3.Percent{Value: 1},
		OverallSampling: &typev3.Percent{Value: 100},
		CustomTags: []*tracingv3.CustomTag{
			dryRunTag("allow", "name", "effective_policy_id"),
			dryRunTag("allow", "result", "engine_result"),
			dryRunTag("deny", "name", "effective_policy_id"),
			dryRunTag("deny", "result", "engine_result"),
			literal("istio.canonical_revision", label("service.istio.io/canonical-revision", "latest")),
			literal("istio.canonical_service", label("service.istio.io/canonical-name", "unknown")),
			literal("istio.cluster_id", clusterID),
			literal("istio.mesh_id", "unknown"),
			literal("istio.namespace", t.node.Namespace),
		},
	}
}

// dryRunTag takes the verdict of an authorization policy on trial into traces.
func dryRunTag(action, what, key string) *tracingv3.CustomTag {
	return &tracingv3.CustomTag{
		Tag: "istio.authorization.dry_run." + action + "_policy." + what,
		Type: &tracingv3.CustomTag_Metadata_{Metadata: &tracingv3.CustomTag_Metadata{
			Kind: &metadatav3.MetadataKind{Kind: &metadatav3.MetadataKind_Request_{Request: &metadatav3.MetadataKind_Request{}}},
			MetadataKey: &metadatav3.MetadataKey{
				Key: "envoy.filters.http.rbac",
				Path: []*metadatav3.MetadataKey_PathSegment{{
					Segment: &metadatav3.MetadataKey_PathSegment_Key{Key: "istio_dry_run_" + action + "_shadow_" + key},
				}},
			},
		}},
	}
}
