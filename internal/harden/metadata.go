package harden

import (
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/crossgate/crossgate/internal/xds"
)

// name is what a row is called in access logs: the route, "#" and the reason.
func (b *rows) name(reason string) string {
	base := b.src.GetName()
	if base == "" {
		base = b.owner
	}
	return base + "#" + reason
}

// mark notes in a route's metadata what it is for. Envoy can log it, as
// %METADATA(ROUTE:crossgate:reason)%; our engine counts by it.
func (b *rows) mark(r *routev3.Route, reason string) {
	fields := map[string]*structpb.Value{}
	set := func(key, value string) {
		if value != "" {
			fields[key] = text(value)
		}
	}
	set(xds.MetadataReason, reason)
	set(xds.MetadataPolicy, b.owner)
	set(xds.MetadataPosition, b.pos)
	if r.GetRoute() == nil && strings.HasPrefix(reason, "deny-") {
		set(xds.MetadataCluster, mainCluster(b.src))
	}
	m := &corev3.Metadata{}
	if b.src.GetMetadata() != nil {
		m = proto.CloneOf(b.src.GetMetadata())
	}
	if m.FilterMetadata == nil {
		m.FilterMetadata = map[string]*structpb.Struct{}
	}
	m.FilterMetadata[xds.MetadataNamespace] = &structpb.Struct{Fields: fields}
	r.Metadata = m
}

// mainCluster is the cluster that gets most of a route's requests: whose they are
// counted as when they are refused.
func mainCluster(r *routev3.Route) string {
	if name := r.GetRoute().GetCluster(); name != "" {
		return name
	}
	name, most := "", uint32(0)
	for _, w := range r.GetRoute().GetWeightedClusters().GetClusters() {
		if n := w.GetWeight().GetValue(); n > most {
			name, most = w.GetName(), n
		}
	}
	return name
}

// ownerOf is the object that a route comes from, "NAMESPACE/NAME", as the path in
// istio.config says; empty if it does not.
func ownerOf(r *routev3.Route) string {
	path := r.GetMetadata().GetFilterMetadata()["istio"].GetFields()["config"].GetStringValue()
	parts := strings.Split(strings.TrimPrefix(path, "/apis/networking.istio.io/v1/namespaces/"), "/")
	if len(parts) != 3 {
		return ""
	}
	return parts[0] + "/" + parts[2]
}

// escapePercent makes a text a format string that stands for it.
func escapePercent(s string) string { return strings.ReplaceAll(s, "%", "%%") }

func text(s string) *structpb.Value { return structpb.NewStringValue(s) }
