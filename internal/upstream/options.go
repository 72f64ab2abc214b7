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

// ProtocolOptions reads what a cluster says of the protocols to its hosts; empty if it
// says nothing. It fails for what is another message, and for several of them: which
// one would count is not said.
func ProtocolOptions(c *clusterv3.Cluster) (*httpv3.HttpProtocolOptions, error) {
	o := &httpv3.HttpProtocolOptions{}
	if n := len(c.GetTypedExtensionProtocolOptions()); n > 1 {
		return nil, fmt.Errorf("typed_extension_protocol_options: %d entries, one is supported", n)
	}
	for name, any := range c.GetTypedExtensionProtocolOptions() {
		if err := any.UnmarshalTo(o); err != nil {
			return nil, fmt.Errorf("typed_extension_protocol_options[%s]: %w", name, err)
		}
	}
	return o, nil
}

// speakAs sets what protocol the cluster's hosts are spoken to in, and returns the
// limits of HTTP/2.
func (c *Cluster) speakAs(o *httpv3.HttpProtocolOptions) http2.Options {
	h1, explicit, like := o.GetExplicitHttpConfig().GetHttpProtocolOptions(), o.GetExplicitHttpConfig().GetHttp2ProtocolOptions(), o.GetUseDownstreamProtocolConfig()
	if h1 == nil {
		h1 = like.GetHttpProtocolOptions()
	}
	c.Trailers, c.ProperCase = h1.GetEnableTrailers(), h1.GetHeaderKeyFormat().GetProperCaseWords() != nil
	c.HTTP2, c.LikeClient = explicit != nil, like != nil
	h2 := explicit
	if h2 == nil {
		h2 = like.GetHttp2ProtocolOptions()
	}
	out := http2.Options{IdleTimeout: defaultIdle}
	if h2 == nil {
		return out
	}
	ping := h2.GetConnectionKeepalive()
	out.MaxConcurrentStreams = h2.GetMaxConcurrentStreams().GetValue()
	out.KeepaliveInterval, out.KeepaliveTimeout = ping.GetInterval().AsDuration(), ping.GetTimeout().AsDuration()
	if d := o.GetCommonHttpProtocolOptions().GetIdleTimeout(); d != nil {
		out.IdleTimeout = d.AsDuration() // 0: never
	}
	return out
}
