package xds

import (
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	"google.golang.org/protobuf/types/known/anypb"
)

// CorsFilter is the name of Envoy's CORS filter, under which levels have its policies.
const CorsFilter = "envoy.filters.http.cors"

// CorsPolicy returns the policy that a level (a route, a virtual host, a route table) has in its typed_per_filter_config, nil if it
// has none.
func CorsPolicy(configs map[string]*anypb.Any) (*corsv3.CorsPolicy, error) {
	policy := new(corsv3.CorsPolicy)
	packed := configs[CorsFilter]
	if packed == nil || !packed.MessageIs(policy) {
		return nil, nil
	}
	if err := packed.UnmarshalTo(policy); err != nil {
		return nil, err
	}
	return policy, nil
}
