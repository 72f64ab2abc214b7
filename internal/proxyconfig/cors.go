package proxyconfig

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/crossgate/crossgate/internal/xds"
)

// Alias is an HTTPS route configuration under the short name that Istio gave it
// once (https.443.https; today https.443.https.GATEWAY.NAMESPACE), with the CORS
// policies of its virtual hosts, which Envoy keeps in each route. Commands that
// people learnt then find what they ask for. It is for printing only: no proxy
// has it.
type Alias struct {
	Name         string      `json:"name"`
	VirtualHosts []AliasHost `json:"virtualHosts"`
}

// AliasHost is a virtual host of an Alias; Cors is empty where no route has a
// policy.
type AliasHost struct {
	Name    string       `json:"name"`
	Domains []string     `json:"domains"`
	Cors    []CorsPolicy `json:"cors"`
}

// CorsPolicy is the policy of one route.
type CorsPolicy struct {
	// Route is the route's name, or the path it matches; empty for the policy of
	// the whole virtual host.
	Route string `json:"route"`
	// Policy is Envoy's message in JSON.
	Policy json.RawMessage `json:"policy"`
	// Position is where the policy was written, FILE:LINE:COLUMN, if that is known.
	Position string `json:"position,omitempty"`
}

// Aliases returns the aliases of the route configurations. Those of several
// gateways with one port name are one alias. Positions are the keys and values of
// xds.Snapshot.Origins; nil if they are not known.
func Aliases(list []*routev3.RouteConfiguration, f RouteFilter, positions map[string]string) ([]Alias, error) {
	var out []Alias
	for _, rc := range list {
		short, ok := shortName(rc.GetName())
		if !ok || !f.match(short) && !f.match(rc.GetName()) {
			continue
		}
		i := slices.IndexFunc(out, func(a Alias) bool { return a.Name == short })
		if i < 0 {
			i = len(out)
			out = append(out, Alias{Name: short, VirtualHosts: []AliasHost{}})
		}
		for _, vh := range rc.GetVirtualHosts() {
			h, err := aliasHost(rc.GetName(), vh, positions)
			if err != nil {
				return nil, err
			}
			out[i].VirtualHosts = append(out[i].VirtualHosts, h)
		}
	}
	return out, nil
}

// shortName returns https.PORT.PORTNAME of https.PORT.PORTNAME.GATEWAY.NAMESPACE.
func shortName(name string) (string, bool) {
	parts := strings.Split(name, ".")
	if len(parts) < 5 || parts[0] != "https" || atoi(parts[1]) == 0 {
		return "", false
	}
	return strings.Join(parts[:3], "."), true
}

func aliasHost(config string, vh *routev3.VirtualHost, positions map[string]string) (AliasHost, error) {
	h := AliasHost{Name: vh.GetName(), Domains: vh.GetDomains(), Cors: []CorsPolicy{}}
	add := func(label, key string, configs map[string]*anypb.Any) error {
		policy, err := corsPolicy(configs)
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		if policy != nil {
			h.Cors = append(h.Cors, CorsPolicy{Route: label, Policy: policy, Position: positions[key]})
		}
		return nil
	}
	if err := add("", xds.VirtualHostKey(config, vh.GetName()), vh.GetTypedPerFilterConfig()); err != nil {
		return h, err
	}
	for i, r := range vh.GetRoutes() {
		if xds.RouteMetadata(r, xds.MetadataReason) != "" {
			continue // the policy of the route behind it
		}
		key := xds.CorsKey(config, vh.GetName(), i)
		if err := add(RouteLabel(r), key, r.GetTypedPerFilterConfig()); err != nil {
			return h, err
		}
	}
	return h, nil
}

func corsPolicy(configs map[string]*anypb.Any) (json.RawMessage, error) {
	policy, err := xds.CorsPolicy(configs)
	if policy == nil || err != nil {
		return nil, err
	}
	return marshal(policy)
}

// Positions are the positions of a snapshot in the form of Instance.Positions.
func Positions(s *xds.Snapshot) map[string]string {
	out := make(map[string]string, len(s.Origins))
	for key, pos := range s.Origins {
		out[key] = pos.String()
	}
	return out
}
