package resource

import (
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

func validateVirtualService(v *validator) {
	vs := v.Spec.(*networking.VirtualService)
	if len(vs.Hosts) == 0 {
		// Without hosts it is a delegate of another one.
		for _, name := range []struct {
			name string
			set  bool
		}{{"gateways", len(vs.Gateways) > 0}, {"tls", len(vs.Tls) > 0}, {"tcp", len(vs.Tcp) > 0}} {
			if name.set {
				v.errorf("spec."+name.name, "a VirtualService without hosts is a delegate and cannot have %s; add hosts", name.name)
			}
		}
	}
	v.gatewayNames(vs.Gateways, "spec.gateways")
	v.virtualHosts(vs)
	if len(vs.Http) == 0 && len(vs.Tcp) == 0 && len(vs.Tls) == 0 {
		v.errorf("spec", "one of http, tls or tcp is required")
	}
	for i, route := range vs.Http {
		v.httpRoute(route, len(vs.Hosts) == 0, at("spec.http", i))
	}
	for i, route := range vs.Tls {
		path := at("spec.tls", i)
		if len(route.Match) == 0 {
			v.errorf(path, "a TLS route needs a match")
		}
		for j, m := range route.Match {
			if len(m.SniHosts) == 0 {
				v.errorf(at(path+".match", j), "a TLS match needs sniHosts")
			}
		}
		v.routeDestinations(route.Route, path+".route")
	}
	for i, route := range vs.Tcp {
		v.routeDestinations(route.Route, at("spec.tcp", i)+".route")
	}
	v.exportTo(vs.ExportTo)
}

func (v *validator) gatewayNames(names []string, path string) {
	for i, name := range names {
		p := at(path, i)
		namespace, gateway, ok := strings.Cut(name, "/")
		switch {
		case !ok:
			v.check(p, domain(name))
		case namespace == "" || gateway == "":
			v.errorf(p, "%q lacks the namespace or the name of the gateway", name)
		case !isLabel(namespace):
			v.errorf(p, "%q is not a namespace", namespace)
		case !isLabel(gateway):
			v.errorf(p, "%q is not a gateway name", gateway)
		}
	}
}

func (v *validator) virtualHosts(vs *networking.VirtualService) {
	mesh := len(vs.Gateways) == 0 || slices.Contains(vs.Gateways, "mesh")
	valid := true
	for i, host := range vs.Hosts {
		p := at("spec.hosts", i)
		err := wildcardDomain(host)
		switch {
		case err != nil && !isIP(host):
			v.check(p, err)
			valid = false
		case err == nil && mesh && host == "*":
			v.errorf(p, `the host "*" is not allowed where the VirtualService applies to the mesh, which it does without gateways too`)
			valid = false
		}
	}
	if !valid {
		return
	}
	for i, host := range vs.Hosts {
		for _, earlier := range vs.Hosts[:i] {
			if hostsOverlap(earlier, host) {
				v.errorf(at("spec.hosts", i), "the hosts %q and %q overlap", earlier, host)
			}
		}
	}
}

// hostsOverlap reports whether one of two hosts contains the other.
func hostsOverlap(a, b string) bool {
	aSuffix, aWild := strings.CutPrefix(a, "*")
	bSuffix, bWild := strings.CutPrefix(b, "*")
	switch {
	case aWild && bWild:
		return strings.HasSuffix(aSuffix, bSuffix) || strings.HasSuffix(bSuffix, aSuffix)
	case aWild:
		return strings.HasSuffix(b, aSuffix)
	case bWild:
		return strings.HasSuffix(a, bSuffix)
	}
	return a == b
}

// exportTo checks the namespaces that may see an object.
func (v *validator) exportTo(names []string) {
	seen := make(map[string]bool)
	for i, name := range names {
		p := at("spec.exportTo", i)
		key := name
		if name == "." {
			key = v.Namespace
		}
		switch {
		case seen[key]:
			v.errorf(p, "%q is in exportTo twice", name)
		case name != "*" && name != "." && !isLabel(name) && (name != "~" || v.Kind != KindServiceEntry):
			v.errorf(p, `%q is not a namespace, "." or "*"`, name)
		case (name == "*" || name == "~") && len(names) > 1:
			v.errorf(p, "%q cannot be together with other values", name)
		}
		seen[key] = true
	}
}

func (v *validator) routeDestinations(routes []*networking.RouteDestination, path string) {
	if len(routes) == 0 {
		v.errorf(path, "a destination is required")
	}
	total := int64(0)
	for i, r := range routes {
		v.destination(r.Destination, at(path, i)+".destination")
		total += v.weight(r.Weight, at(path, i)+".weight")
	}
	v.totalWeight(len(routes), total, path)
}

// destination checks where a route leads; nil is an error.
func (v *validator) destination(d *networking.Destination, path string) {
	switch {
	case d == nil:
		v.errorf(path, "a destination is required")
		return
	case d.Host == "*":
		v.errorf(path+".host", `the destination host must not be "*"`)
	default:
		v.check(path+".host", wildcardDomain(d.Host))
	}
	if d.Subset != "" && !isLabel(d.Subset) {
		v.errorf(path+".subset", "%q is not a subset name", d.Subset)
	}
	if d.Port != nil {
		v.check(path+".port.number", port(d.Port.Number))
	}
}

func (v *validator) weight(w int32, path string) int64 {
	if w < 0 {
		v.errorf(path, "the weight %d is negative", w)
	}
	return int64(w)
}

func (v *validator) totalWeight(destinations int, total int64, path string) {
	if destinations > 1 && total == 0 {
		v.errorf(path, "the weights of several destinations add up to 0")
	}
}
