package upstream

import (
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

// TestProtocolOptionsAreOne: what a second entry asks for must not be lost.
func TestProtocolOptionsAreOne(t *testing.T) {
	one, err := anypb.New(&httpv3.HttpProtocolOptions{})
	if err != nil {
		t.Fatal(err)
	}
	other, err := anypb.New(durationpb.New(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		options map[string]*anypb.Any
		wrong   string
	}{
		{nil, ""},
		{map[string]*anypb.Any{"a": one}, ""},
		{map[string]*anypb.Any{"a": one, "b": one}, "2 entries"},
		{map[string]*anypb.Any{"a": other}, "typed_extension_protocol_options[a]: "},
	} {
		_, err := ProtocolOptions(&clusterv3.Cluster{TypedExtensionProtocolOptions: tt.options})
		if (err == nil) != (tt.wrong == "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
			t.Errorf("%d entries: %v, want %q", len(tt.options), err, tt.wrong)
		}
	}
}
