package check

import (
	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// contradictingPolicies finds two policies for the same requests.
func contradictingPolicies() *Check {
	return &Check{
		Name: "contradicting-policies",
		Code: CodeContradictingPolicies,
		Doc: "Two routes of one host are for the same paths and have different policies: because they differ by method or header, which preflights do not " +
			"have, or because two VirtualServices have them. On Istio all preflights go to the first. Give both the same policy.",
		Run: func(p *Pass) {
			type place struct {
				gateway    resource.Key
				host, path string
			}
			first := make(map[place]*corsPolicy)
			told := make(map[string]bool)
			everything := matchKey(&networking.HTTPMatchRequest{})
			for _, c := range p.corsPolicies() {
				vs := c.object.Spec.(*networking.VirtualService)
				for _, path := range paths(c.route) {
					for _, host := range vs.Hosts {
						for _, name := range gatewaysOf(vs) {
							at := place{gatewayKey(name, c.object.Namespace), fullHost(host, c.object.Namespace), path}
							other := first[at]
							if other == nil {
								first[at] = c
								continue
							}
							// Of two VirtualServices with a route for everything the second
							// gets nothing: CodeCatchAll.
							catchAll := path == everything && other.object != c.object
							key := c.object.Key.String() + c.path
							if catchAll || proto.Equal(other.CorsPolicy, c.CorsPolicy) || told[key] {
								continue
							}
							told[key] = true
							p.ReportBeside(c.object, c.path, diag.Related{Pos: other.object.Position(other.path), Message: "the other policy"}, diag.Warning,
								"contradicts the policy of %s for the same paths of %s, which gets the preflights on Istio", where(other, c), host)
						}
					}
				}
			}
		},
	}
}

func gatewaysOf(vs *networking.VirtualService) []string {
	if len(vs.Gateways) == 0 {
		return []string{meshGateway}
	}
	return vs.Gateways
}

// where names the place of a policy to the reader of another one.
func where(other, here *corsPolicy) string {
	if other.object == here.object {
		return other.path
	}
	return "VirtualService " + other.object.Namespace + "/" + other.object.Name
}

// paths are the conditions of a route that preflights can meet, as keys.
func paths(r *networking.HTTPRoute) []string {
	if len(r.Match) == 0 {
		return []string{matchKey(&networking.HTTPMatchRequest{})}
	}
	var out []string
	for _, m := range r.Match {
		plain := proto.CloneOf(m)
		plain.Name, plain.Method, plain.Headers, plain.WithoutHeaders = "", nil, nil, nil
		if plain.Uri.GetPrefix() == "/" {
			plain.Uri = nil
		}
		out = append(out, matchKey(plain))
	}
	return out
}
