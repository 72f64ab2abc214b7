package envoyfilter

import (
	"strings"

	"google.golang.org/protobuf/types/known/structpb"
	networking "istio.io/api/networking/v1alpha3"
)

// harmless are the filters that the engine runs, and those that keep no request
// out: without them an answer may look different, but nobody gets in who was
// to be kept out. The names are those of the protos behind envoy.extensions.
var harmless = map[string]bool{
	"filters.http.adaptive_concurrency.v3.AdaptiveConcurrency":         true,
	"filters.http.alternate_protocols_cache.v3.FilterConfig":           true,
	"filters.http.bandwidth_limit.v3.BandwidthLimit":                   true,
	"filters.http.buffer.v3.Buffer":                                    true,
	"filters.http.cache.v3.CacheConfig":                                true,
	"filters.http.compressor.v3.Compressor":                            true,
	"filters.http.compressor.v3.CompressorPerRoute":                    true,
	"filters.http.connect_grpc_bridge.v3.FilterConfig":                 true,
	"filters.http.cors.v3.Cors":                                        true,
	"filters.http.cors.v3.CorsPolicy":                                  true,
	"filters.http.decompressor.v3.Decompressor":                        true,
	"filters.http.fault.v3.HTTPFault":                                  true,
	"filters.http.grpc_http1_bridge.v3.Config":                         true,
	"filters.http.grpc_http1_reverse_bridge.v3.FilterConfig":           true,
	"filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder":          true,
	"filters.http.grpc_stats.v3.FilterConfig":                          true,
	"filters.http.grpc_web.v3.GrpcWeb":                                 true,
	"filters.http.header_mutation.v3.HeaderMutation":                   true,
	"filters.http.header_mutation.v3.HeaderMutationPerRoute":           true,
	"filters.http.header_to_metadata.v3.Config":                        true,
	"filters.http.json_to_metadata.v3.JsonToMetadata":                  true,
	"filters.http.on_demand.v3.OnDemand":                               true,
	"filters.http.router.v3.Router":                                    true,
	"filters.http.set_filter_state.v3.Config":                          true,
	"filters.http.set_metadata.v3.Config":                              true,
	"filters.http.stateful_session.v3.StatefulSession":                 true,
	"filters.http.tap.v3.Tap":                                          true,
	"filters.listener.http_inspector.v3.HttpInspector":                 true,
	"filters.listener.tls_inspector.v3.TlsInspector":                   true,
	"filters.network.echo.v3.Echo":                                     true,
	"filters.network.http_connection_manager.v3.HttpConnectionManager": true,
	"filters.network.tcp_proxy.v3.TcpProxy":                            true,
}

// valueGuards reports whether the value of a patch may keep requests out: one of
// its types is a filter that is not known to be harmless, or a filter is put in
// whose type cannot be told. It reads the value as it is written, so that it
// has an answer for one that cannot be decoded.
func valueGuards(p *patch, value *structpb.Struct) bool {
	if value == nil || p.op == networking.EnvoyFilter_Patch_REMOVE {
		return false
	}
	types := typesOf(structpb.NewStructValue(value), nil)
	for _, t := range types {
		name, known := strings.CutPrefix(t[strings.LastIndexByte(t, '/')+1:], "envoy.extensions.")
		filter := !known || strings.HasPrefix(name, "filters.")
		if filter && !harmless[name] {
			return true
		}
	}
	switch p.applyTo() {
	case networking.EnvoyFilter_HTTP_FILTER, networking.EnvoyFilter_NETWORK_FILTER, networking.EnvoyFilter_LISTENER_FILTER:
		return len(types) == 0 && !p.merges()
	case networking.EnvoyFilter_EXTENSION_CONFIG:
		return len(types) == 0
	}
	return false
}

// typesOf collects the types of everything that is packed in a value.
func typesOf(v *structpb.Value, into []string) []string {
	if list := v.GetListValue(); list != nil {
		for _, e := range list.GetValues() {
			into = typesOf(e, into)
		}
	}
	for k, e := range v.GetStructValue().GetFields() {
		if k == "@type" {
			into = append(into, e.GetStringValue())
		}
		into = typesOf(e, into)
	}
	return into
}
