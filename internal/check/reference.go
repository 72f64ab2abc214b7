package check

import (
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// reference finds what VirtualServices refer to and the set does not have.
func reference() *Check {
	return &Check{
		Name: "reference",
		Code: CodeReference,
		Doc: "A VirtualService names a Gateway, or a subset of a destination, that is not among the given objects. Write the name " +
			"right, as NAMESPACE/NAME where it is in another namespace, or give the missing object too.",
		Run: func(p *Pass) {
			subsets := definedSubsets(p.Set)
			for _, r := range p.Set.Kind(resource.KindVirtualService) {
				vs := r.Spec.(*networking.VirtualService)
				for i, name := range vs.Gateways {
					key := gatewayKey(name, r.Namespace)
					if name != meshGateway && p.Set.Get(key) == nil {
						p.Report(r, fmt.Sprintf("spec.gateways[%d]", i), diag.Warning,
							"there is no Gateway %s/%s%s", key.Namespace, key.Name, p.Options.instead())
					}
				}
				for i, route := range vs.Http {
					for j, d := range route.Route {
						p.subset(r, d.Destination, subsets, fmt.Sprintf("spec.http[%d].route[%d].destination.subset", i, j))
					}
				}
			}
		},
	}
}

const meshGateway = "mesh"

// instead says what is done about a Gateway that is missing.
func (o Options) instead() string {
	if o.SynthesizeGateways {
		return "; one is made on port 80 for the hosts of the VirtualServices that name it"
	}
	return ""
}

// gatewayKey resolves the name of a gateway: NAME in the namespace of the
// VirtualService, NAMESPACE/NAME, or the old NAME.NAMESPACE.svc.cluster.local.
func gatewayKey(name, namespace string) resource.Key {
	if ns, short, ok := strings.Cut(name, "/"); ok {
		if ns != "." {
			namespace = ns
		}
		name = short
	} else if parts := strings.Split(name, "."); len(parts) > 1 {
		name, namespace = parts[0], parts[1]
	}
	return resource.Key{Kind: resource.KindGateway, Namespace: namespace, Name: name}
}

// definedSubsets returns the subsets of all DestinationRules by full host.
func definedSubsets(set *resource.Set) map[string][]string {
	subsets := make(map[string][]string)
	for _, r := range set.Kind(resource.KindDestinationRule) {
		rule := r.Spec.(*networking.DestinationRule)
		host := fullHost(rule.Host, r.Namespace)
		for _, s := range rule.Subsets {
			subsets[host] = append(subsets[host], s.Name)
		}
	}
	return subsets
}

func (p *Pass) subset(r *resource.Resource, d *networking.Destination, subsets map[string][]string, path string) {
	if d.GetSubset() == "" {
		return
	}
	host := fullHost(d.Host, r.Namespace)
	for _, candidate := range append([]string{host}, wildcardsOf(host)...) {
		if slices.Contains(subsets[candidate], d.Subset) {
			return
		}
	}
	p.Report(r, path, diag.Error, "no DestinationRule defines the subset %q of %s; requests to it are answered 503", d.Subset, host)
}

// fullHost completes a short name as Istio does; names with a dot are complete.
func fullHost(host, namespace string) string {
	if strings.Contains(host, ".") || host == "*" {
		return host
	}
	return host + "." + namespace + ".svc.cluster.local"
}

// wildcardsOf returns the wildcard hosts that cover a host: *.b.c, *.c, * for
// a.b.c.
func wildcardsOf(host string) []string {
	var out []string
	for {
		_, rest, ok := strings.Cut(host, ".")
		if !ok {
			return append(out, "*")
		}
		out = append(out, "*."+rest)
		host = rest
	}
}
