package harden

import (
	"fmt"
	"slices"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"

	"github.com/crossgate/crossgate/internal/cors"
	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/xds"
)

// candidates finds the policies on trial.
type candidates struct {
	hosts map[string][]*candidate // by route configuration and domain
	all   []*candidate
}

// candidate is a route of the snapshot on trial that has a policy.
type candidate struct {
	route   *routev3.Route
	pos     diag.Pos
	forward bool
	host    *routev3.VirtualHost
	rc      *routev3.RouteConfiguration
	used    bool
}

func newCandidates(s *xds.Snapshot) *candidates {
	c := &candidates{hosts: map[string][]*candidate{}}
	if s == nil {
		return c
	}
	for _, rc := range s.Routes {
		for _, vh := range rc.GetVirtualHosts() {
			for i, r := range vh.GetRoutes() {
				if r.GetTypedPerFilterConfig()[xds.CorsFilter] == nil {
					continue
				}
				found := &candidate{route: r, pos: s.Origins[xds.CorsKey(rc.GetName(), vh.GetName(), i)], host: vh, rc: rc}
				_, found.forward = s.Origins[xds.ForwardKey(rc.GetName(), vh.GetName(), i)]
				c.all = append(c.all, found)
				for _, d := range vh.GetDomains() {
					key := rc.GetName() + "\x00" + d
					c.hosts[key] = append(c.hosts[key], found)
				}
			}
		}
	}
	return c
}

// candidate returns the policy that is tried on a route of the host, and how it
// would be enforced; nil if none is.
func (h *host) candidate(r *routev3.Route, s cors.Settings) (*policy, cors.Settings) {
	for _, d := range h.vh.GetDomains() {
		list := h.pass.candidates.hosts[h.rc.GetName()+"\x00"+d]
		i := slices.IndexFunc(list, func(c *candidate) bool { return proto.Equal(c.route.GetMatch(), r.GetMatch()) })
		if i < 0 {
			continue
		}
		c := list[i]
		c.used = true
		h.pass.positions = append(h.pass.positions, "trial", fmt.Sprint(c.forward))
		tried := h.pass.settings(ownerOf(c.route))
		p, err := effective(c.route, c.host.GetTypedPerFilterConfig(), c.rc.GetTypedPerFilterConfig())
		if err != nil {
			h.pass.report(diag.Error, CodeNotHardened, c.pos, object(ownerOf(c.route)), "%v", err)
			return nil, s
		}
		if p == nil {
			return nil, s
		}
		read := h.pass.compiled.read(p, c.forward, tried)
		if read.unsafe != nil {
			h.pass.report(diag.Error, CodeUnsafe, c.pos, object(ownerOf(c.route)), "the policy on trial could not be used: %v", read.unsafe)
		}
		return read, tried
	}
	return nil, s
}

// reportUnused says which policies on trial are tried on nothing.
func (c *candidates) reportUnused(p *pass) {
	for _, one := range c.all {
		if !one.used {
			p.report(diag.Warning, CodeCandidate, one.pos, object(ownerOf(one.route)),
				"the policy is tried on nothing: no route with a policy has this match on this host")
		}
	}
}
