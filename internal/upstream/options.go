package upstream

import (
	"fmt"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"

	"github.com/crossgate/crossgate/internal/http2"
)

// defaultIdle is Envoy's idle_timeout of connections to a service.
const defaultIdle = time.Hour

// http1Options reads what a cluster says of HTTP/1.1.
func http1Options(c *clusterv3.Cluster) (trailers, properCase bool) {
	for _, any := range c.GetTypedExtensionProtocolOptions() {
		o := &httpv3.HttpProtocolOptions{}
		if any.UnmarshalTo(o) != nil {
			continue // speaksHTTP2 reports it
		}
		h1 := o.GetExplicitHttpConfig().GetHttpProtocolOptions()
		return h1.GetEnableTrailers(), h1.GetHeaderKeyFormat().GetProperCaseWords() != nil
	}
	return false, false
}

// speaksHTTP2 reads whether a cluster asks for HTTP/2, and with which limits.
func speaksHTTP2(c *clusterv3.Cluster) (bool, http2.Options, error) {
	for name, any := range c.GetTypedExtensionProtocolOptions() {
		o := &httpv3.HttpProtocolOptions{}
		if err := any.UnmarshalTo(o); err != nil {
			return false, http2.Options{}, fmt.Errorf("typed_extension_protocol_options[%s]: %w", name, err)
		}
		explicit := o.GetExplicitHttpConfig().GetHttp2ProtocolOptions()
		h2 := explicit
		if h2 == nil {
			h2 = o.GetUseDownstreamProtocolConfig().GetHttp2ProtocolOptions()
		}
		if h2 == nil {
			continue
		}
		ping := h2.GetConnectionKeepalive()
		out := http2.Options{
			MaxConcurrentStreams: h2.GetMaxConcurrentStreams().GetValue(), IdleTimeout: defaultIdle,
			KeepaliveInterval: ping.GetInterval().AsDuration(), KeepaliveTimeout: ping.GetTimeout().AsDuration(),
		}
		if d := o.GetCommonHttpProtocolOptions().GetIdleTimeout(); d != nil {
			out.IdleTimeout = d.AsDuration() // 0: never
		}
		return explicit != nil, out, nil
	}
	return false, http2.Options{IdleTimeout: defaultIdle}, nil
}

// likeClient reads whether a cluster is spoken to in the protocol of the client.
func likeClient(c *clusterv3.Cluster) bool {
	for _, any := range c.GetTypedExtensionProtocolOptions() {
		o := &httpv3.HttpProtocolOptions{}
		if any.UnmarshalTo(o) == nil && o.GetUseDownstreamProtocolConfig() != nil {
			return true
		}
	}
	return false
}
