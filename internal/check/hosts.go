package check

import (
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

// hostIndex answers whether a host meets one of many, where either side may be a
// wildcard (*.example.com): Name.Matches of istio's pkg/config/host, without the
// comparison of every pair.
type hostIndex struct {
	hosts map[string]bool
	above map[string]bool // the wildcards that cover one of hosts
}

func newHostIndex() *hostIndex {
	return &hostIndex{hosts: make(map[string]bool), above: make(map[string]bool)}
}

func (x *hostIndex) add(host string) {
	if x.hosts[host] {
		return
	}
	x.hosts[host] = true
	for _, w := range wildcardsOf(host) {
		x.above[w] = true
	}
}

func (x *hostIndex) meets(host string) bool {
	if x == nil {
		return false
	}
	if x.hosts[host] || x.above[host] {
		return true
	}
	for _, w := range wildcardsOf(host) {
		if x.hosts[w] {
			return true
		}
	}
	return false
}

// everywhere is the scope of what all namespaces see.
const everywhere = "*"

// scopedHosts are hosts by the namespace that sees them.
type scopedHosts map[string]*hostIndex

func (s scopedHosts) add(scope, host string) {
	if s[scope] == nil {
		s[scope] = newHostIndex()
	}
	s[scope].add(host)
}

func (s scopedHosts) meets(namespace, host string) bool {
	return s[everywhere].meets(host) || s[namespace].meets(host)
}

// gatewayHosts returns the hosts of all servers of a Gateway. A host may say for
// which namespace it is: ./host for the Gateway's own.
func gatewayHosts(gw *networking.Gateway, namespace string) scopedHosts {
	out := make(scopedHosts)
	for _, s := range gw.Servers {
		for _, h := range s.GetHosts() {
			scope, host, ok := strings.Cut(h, "/")
			switch {
			case !ok:
				scope, host = everywhere, h
			case scope == ".":
				scope = namespace
			}
			out.add(scope, host)
		}
	}
	return out
}
