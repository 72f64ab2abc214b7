package resource

import (
	"fmt"
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
		v.tlsRoute(vs, route, at("spec.tls", i))
	}
	for i, route := range vs.Tcp {
		path := at("spec.tcp", i)
		for j, m := range route.Match {
			v.l4Match(m, at(path+".match", j))
		}
		v.routeDestinations(route.Route, path+".route")
	}
	if appliesToMesh(vs) {
		v.noClaims(vs)
	}
	v.exportTo(vs.ExportTo)
	v.enforcementValues()
}

// appliesToMesh reports whether a VirtualService is for sidecars (too).
func appliesToMesh(vs *networking.VirtualService) bool {
	return len(vs.Gateways) == 0 || slices.Contains(vs.Gateways, "mesh")
}

// noClaims: only gateways can route by what a JWT says.
func (v *validator) noClaims(vs *networking.VirtualService) {
	for i, route := range vs.Http {
		for j, m := range route.Match {
			path := at(at("spec.http", i)+".match", j)
			for part, headers := range map[string]map[string]*networking.StringMatch{"headers": m.Headers, "withoutHeaders": m.WithoutHeaders} {
				for name := range headers {
					if isClaim(name) {
						v.errorf(join(path+"."+part, name), "routes by claims of a JWT are for gateways, and this VirtualService applies to the mesh")
					}
				}
			}
		}
	}
}

func (v *validator) tlsRoute(vs *networking.VirtualService, route *networking.TLSRoute, path string) {
	if len(route.Match) == 0 {
		v.errorf(path, "a TLS route needs a match")
	}
	for i, m := range route.Match {
		p := at(path+".match", i)
		if len(m.SniHosts) == 0 {
			v.errorf(p, "a TLS match needs sniHosts")
		}
		for j, host := range m.SniHosts {
			v.sniHost(vs, host, at(p+".sniHosts", j))
		}
		v.l4Match(m, p)
	}
	v.routeDestinations(route.Route, path+".route")
}

// l4Match checks what matches of TLS and TCP share.
func (v *validator) l4Match(m interface {
	GetDestinationSubnets() []string
	GetPort() uint32
	GetSourceLabels() map[string]string
	GetGateways() []string
}, path string,
) {
	for i, s := range m.GetDestinationSubnets() {
		v.check(at(path+".destinationSubnets", i), subnet(s))
	}
	if m.GetPort() != 0 {
		v.check(path+".port", port(m.GetPort()))
	}
	v.check(path+".sourceLabels", validLabels(m.GetSourceLabels()))
	v.gatewayNames(m.GetGateways(), path+".gateways")
}

// sniHost checks a name of a TLS match, which must be one of the hosts or part of
// a wildcard among them. IP addresses are taken, although clients send none.
func (v *validator) sniHost(vs *networking.VirtualService, host, path string) {
	if err := v.virtualHost(vs, host, true); err != nil {
		if !isIP(host) {
			v.check(path, err)
		}
		return
	}
	for _, h := range vs.Hosts {
		if hostWithin(host, h) {
			return
		}
	}
	v.errorf(path, "%s is not within the hosts of the VirtualService (%s)", quote(host), clip(enumerate(vs.Hosts)))
}

// hostWithin reports whether a host, perhaps with a wildcard, is within another.
func hostWithin(host, other string) bool {
	suffix, wild := strings.CutPrefix(other, "*")
	switch {
	case !wild:
		return host == other
	case strings.HasPrefix(host, "*"):
		return len(host) >= len(other) && strings.HasSuffix(host, suffix)
	}
	return strings.HasSuffix(host, suffix)
}

// virtualHost checks a host. On gateways that pass TLS on by its name, the names
// that Istio makes for its clusters are hosts too: outbound_.PORT_._.HOST.
func (v *validator) virtualHost(vs *networking.VirtualService, host string, sni bool) error {
	if sni && !slices.Contains(vs.Gateways, "mesh") && strings.HasPrefix(host, "outbound_") && len(host) <= 255 {
		parts := strings.Split(host, "_")
		if len(parts) < 4 || !strings.ContainsAny(parts[1], "0123456789") || !strings.ContainsFunc(strings.Trim(parts[3], "."), isLetter) {
			return fmt.Errorf("%s is not outbound_.PORT_._.HOST", quote(host))
		}
		return nil
	}
	return wildcardDomain(host)
}

// hasSNI reports whether a route goes by the name in TLS.
func hasSNI(vs *networking.VirtualService) bool {
	return slices.ContainsFunc(vs.Tls, func(r *networking.TLSRoute) bool {
		return slices.ContainsFunc(r.Match, func(m *networking.TLSMatchAttributes) bool { return len(m.SniHosts) > 0 })
	})
}

func isLetter(r rune) bool { return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' }

// gatewayNames checks names up to the first without a namespace, as istiod does.
func (v *validator) gatewayNames(names []string, path string) {
	for i, name := range names {
		p := at(path, i)
		namespace, gateway, ok := strings.Cut(name, "/")
		switch {
		case !ok:
			v.check(p, domain(name))
			return
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
	mesh := appliesToMesh(vs)
	valid := true
	for i, host := range vs.Hosts {
		p := at("spec.hosts", i)
		err := v.virtualHost(vs, host, hasSNI(vs))
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
