package check

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// meshHost finds VirtualServices for sidecars that have a host in common, as
// ConflictingMeshGatewayHostsAnalyzer of istio's pkg/config/analysis does.
func meshHost() *Check {
	return &Check{
		Name: "mesh-host",
		Code: CodeMeshHost,
		Doc: "Two VirtualServices for sidecars (without a Gateway, or with mesh) have the same host, and which of them counts is not defined. " +
			"Merge them into one. On Gateways, VirtualServices of one host are merged.",
		Run: func(p *Pass) {
			byHost := make(map[scopedHost][]*resource.Resource)
			vss := p.Set.Kind(resource.KindVirtualService)
			for _, r := range vss {
				for _, h := range meshHosts(r) {
					byHost[h] = append(byHost[h], r)
				}
			}
			others := conflicts(byHost)
			for _, r := range vss {
				if c, ok := others[r]; ok {
					p.ReportBeside(r, "spec.hosts", diag.Related{Pos: c.with.Pos, Message: "the other VirtualService"}, diag.Error,
						"VirtualService %s/%s has the host %s for sidecars too; which of them counts is not defined", c.with.Namespace, c.with.Name, c.host)
				}
			}
		},
	}
}

// scopedHost is a host as the namespaces of a scope see it.
type scopedHost struct{ scope, host string }

func compareHosts(a, b scopedHost) int {
	return cmp.Or(strings.Compare(a.scope, b.scope), strings.Compare(a.host, b.host))
}

type conflict struct {
	with *resource.Resource
	host string
}

// conflicts returns for each VirtualService another of the same host, where
// there is one. What all namespaces see meets what one namespace sees, and there
// a wildcard meets the hosts below it.
func conflicts(byHost map[scopedHost][]*resource.Resource) map[*resource.Resource]conflict {
	out := make(map[*resource.Resource]conflict)
	meet := func(a, b []*resource.Resource, host string) {
		if len(a) == 0 || len(b) == 0 {
			return
		}
		for _, r := range a {
			with := b[0]
			if with == r {
				with = b[len(b)-1]
			}
			if _, ok := out[r]; !ok && with != r {
				out[r] = conflict{with, host}
			}
		}
	}
	for _, h := range slices.SortedFunc(maps.Keys(byHost), compareHosts) {
		rs := byHost[h]
		meet(rs, rs, h.host)
		if h.scope == everywhere {
			continue
		}
		for _, seen := range append([]string{h.host}, wildcardsOf(h.host)...) {
			all := byHost[scopedHost{everywhere, seen}]
			meet(rs, all, h.host)
			if len(all) == 1 { // More of them meet each other already.
				meet(all, rs, h.host)
			}
		}
	}
	return out
}

// meshHosts returns the hosts of a VirtualService for sidecars.
func meshHosts(r *resource.Resource) []scopedHost {
	vs := r.Spec.(*networking.VirtualService)
	if len(vs.Gateways) > 0 && !slices.Contains(vs.Gateways, meshGateway) {
		return nil
	}
	scopes := vs.ExportTo
	if len(scopes) == 0 || slices.Contains(scopes, everywhere) {
		scopes = []string{everywhere}
	}
	var out []scopedHost
	for _, scope := range scopes {
		if scope == "." {
			scope = r.Namespace
		}
		for _, h := range vs.Hosts {
			if !strings.HasPrefix(h, "*") {
				h = fullHost(h, r.Namespace)
			}
			if s := (scopedHost{scope, h}); !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out
}
