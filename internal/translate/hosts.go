package translate

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// The host algebra of Istio's gateways: names, "*" and names with a leading
// "*." (or any leading "*").

func isWildcard(h string) bool { return strings.HasPrefix(h, "*") }

// hostSubset reports whether every name that a covers is covered by b.
func hostSubset(a, b string) bool {
	switch {
	case isWildcard(a) && isWildcard(b):
		return len(a) >= len(b) && strings.HasSuffix(a[1:], b[1:])
	case isWildcard(a):
		return false
	case isWildcard(b):
		return strings.HasSuffix(a, b[1:])
	}
	return a == b
}

// hostSet is the hosts of a server, indexed: a Gateway may have thousands, and
// every VirtualService is compared with them.
type hostSet struct {
	hosts     []string
	exact     map[string][]int // where a name stands in hosts
	wildcards []int
}

func newHostSet(hosts []string) *hostSet {
	s := &hostSet{hosts: hosts, exact: make(map[string][]int, len(hosts))}
	for i, h := range hosts {
		if isWildcard(h) {
			s.wildcards = append(s.wildcards, i)
		} else {
			s.exact[h] = append(s.exact[h], i)
		}
	}
	return s
}

// hit is a host of the set and one of a list that cover each other, by their
// places, and the narrower of the two.
type hit struct {
	set, list int
	host      string
}

// intersect returns the hosts that both the set and the list cover, the narrower
// of each pair, in the order of the set.
func (s *hostSet) intersect(list []string) []string {
	var hits []hit
	for i, y := range list {
		if isWildcard(y) {
			hits = s.underWildcard(hits, i, y)
			continue
		}
		for _, x := range s.exact[y] {
			hits = append(hits, hit{x, i, y})
		}
		for _, x := range s.wildcards {
			if hostSubset(y, s.hosts[x]) {
				hits = append(hits, hit{x, i, y})
			}
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Or(cmp.Compare(a.set, b.set), cmp.Compare(a.list, b.list)) })
	var out []string
	seen := make(map[string]bool, len(hits))
	for _, h := range hits {
		if !seen[h.host] {
			seen[h.host] = true
			out = append(out, h.host)
		}
	}
	return out
}

// underWildcard adds the pairs of a wildcard of the list.
func (s *hostSet) underWildcard(hits []hit, i int, y string) []hit {
	for x, h := range s.hosts {
		switch {
		case hostSubset(h, y):
			hits = append(hits, hit{x, i, h})
		case hostSubset(y, h):
			hits = append(hits, hit{x, i, y})
		}
	}
	return hits
}

// compareHosts orders hosts from specific to general: names before wildcards,
// longer before shorter, then by text. Istio gives a virtual host of several
// domains the name of the first of them in this order.
func compareHosts(a, b string) int {
	if isWildcard(a) != isWildcard(b) {
		if isWildcard(b) {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b))
}

// qualifyServerHosts rewrites the hosts of a Gateway server as Istio does:
// "./host" names the Gateway's namespace, "*/host" is just the host and "*/*"
// takes the place of all.
func qualifyServerHosts(hosts []string, namespace string) []string {
	out := make([]string, 0, len(hosts))
	for _, h := range hosts {
		ns, name, ok := strings.Cut(h, "/")
		switch {
		case !ok:
			out = append(out, h)
		case ns == ".":
			out = append(out, namespace+"/"+name)
		case ns == "*" && name == "*":
			return []string{"*"}
		case ns == "*":
			out = append(out, name)
		default:
			out = append(out, h)
		}
	}
	return out
}

// hostsForNamespace returns the hosts of a server that VirtualServices of a
// namespace may use, without their namespaces.
func hostsForNamespace(hosts []string, namespace string) []string {
	var out []string
	for _, h := range hosts {
		ns, name, ok := strings.Cut(h, "/")
		switch {
		case !ok:
			out = append(out, h)
		case ns == namespace:
			out = append(out, name)
		}
	}
	return out
}

// sniHosts returns the sorted names for which a TLS server's filter chain is
// chosen, or none if it takes every connection.
func sniHosts(hosts []string) []string {
	var out []string
	for _, h := range hosts {
		if _, name, ok := strings.Cut(h, "/"); ok {
			h = name
		}
		if h == "*" {
			return nil
		}
		out = append(out, strings.ToLower(h))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// fullName completes a short host: names without a dot are services of the
// namespace; anything else is full already.
func fullName(host, namespace, domain string) string {
	if host == "" || strings.Contains(host, ".") || isWildcard(host) {
		return host
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return host
	}
	return host + "." + namespace + ".svc." + domain
}

// gatewayName resolves how a VirtualService names a Gateway to
// "namespace/name": name, ./name, namespace/name, or the old
// name.namespace[.svc.domain]. The reserved word mesh stays as it is.
func gatewayName(name, namespace string) string {
	if name == meshGateway {
		return name
	}
	if ns, rest, ok := strings.Cut(name, "/"); ok {
		if ns == "." {
			return namespace + "/" + rest
		}
		return name
	}
	short, rest, ok := strings.Cut(name, ".")
	if !ok {
		return namespace + "/" + name
	}
	ns, _, _ := strings.Cut(rest, ".")
	return ns + "/" + short
}

// meshGateway is the reserved name that stands for all sidecars.
const meshGateway = "mesh"
