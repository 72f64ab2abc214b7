package translate

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/xds"
)

// Upstream gives the endpoints of a service by hand, as the flag --upstream
// does: on a laptop the services of the cluster run elsewhere or not at all.
type Upstream struct {
	// Host is the service: name, name.namespace, or a full name.
	Host string
	// Port is the service's port; 0 means every port.
	Port uint32
	// Address is where the service is: an IP address or a DNS name.
	Address string
	// AddressPort is the port at Address.
	AddressPort uint32
}

// String renders the upstream as ParseUpstream reads it.
func (u Upstream) String() string {
	return u.service() + "=" + xds.HostPort(u.Address, u.AddressPort)
}

func (u Upstream) service() string {
	if u.Port == 0 {
		return u.Host
	}
	return fmt.Sprintf("%s:%d", u.Host, u.Port)
}

// ParseUpstream parses HOST[:PORT]=ADDR:PORT.
func ParseUpstream(s string) (Upstream, error) {
	service, target, ok := strings.Cut(s, "=")
	if !ok {
		return Upstream{}, fmt.Errorf("upstream %q: want HOST[:PORT]=ADDR:PORT", s)
	}
	var u Upstream
	host, port, hasPort := strings.Cut(service, ":")
	u.Host = strings.ToLower(host)
	var err error
	if hasPort {
		if u.Port, err = parsePort(port); err != nil {
			return Upstream{}, fmt.Errorf("upstream %q: service port: %w", s, err)
		}
	}
	addr, addrPort, err := net.SplitHostPort(target)
	if err != nil {
		return Upstream{}, fmt.Errorf("upstream %q: want HOST[:PORT]=ADDR:PORT: %w", s, err)
	}
	if u.AddressPort, err = parsePort(addrPort); err != nil {
		return Upstream{}, fmt.Errorf("upstream %q: %w", s, err)
	}
	u.Address = addr
	if u.Host == "" || u.Address == "" || strings.ContainsAny(s, " \t\r\n/|") {
		return Upstream{}, fmt.Errorf("upstream %q: want HOST[:PORT]=ADDR:PORT", s)
	}
	return u, nil
}

func parsePort(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not a port", s)
	}
	return uint32(n), nil
}

// isName reports whether the address must be looked up in the DNS.
func (u Upstream) isName() bool {
	_, err := netip.ParseAddr(u.Address)
	return err != nil
}

func (u Upstream) isLocalhost() bool { return strings.EqualFold(u.Address, "localhost") }

// applyUpstreams gives the services their upstreams and makes the services that
// only destinations know.
func (t *translator) applyUpstreams(upstreams []Upstream) {
	for host, ports := range t.unknownDestinations() {
		t.serviceForUpstreams(host, ports, upstreams)
	}
	t.services.sort()
	for _, u := range upstreams {
		if err := t.applyUpstream(u); err != nil {
			t.diags = append(t.diags, diag.Diagnostic{
				Pos: diag.Pos{File: "--upstream"}, Severity: diag.Error, Code: CodeUpstream, Message: fmt.Sprintf("%s: %v", u, err),
			})
		}
	}
}

func (t *translator) applyUpstream(u Upstream) error {
	services := t.matching(u)
	switch {
	case len(services) == 0:
		return errors.New("no service or destination has this host")
	case len(services) > 1:
		return fmt.Errorf("several services have this name (%s, %s); write name.namespace", services[0].host, services[1].host)
	}
	s := services[0]
	if _, ok := s.port(u.Port); u.Port != 0 && !ok {
		return fmt.Errorf("%s has no port %d; it has %s", s.host, u.Port, s.portList())
	}
	if first, ok := s.upstreams[u.Port]; ok {
		return fmt.Errorf("%s is given already: %s", u.service(), first)
	}
	if s.upstreams == nil {
		s.upstreams = make(map[uint32]Upstream)
	}
	s.upstreams[u.Port] = u
	return nil
}

// matching returns the services that an upstream names.
func (t *translator) matching(u Upstream) []*service {
	var out []*service
	for _, s := range t.services.all {
		if t.names(u, s.host) && !slices.ContainsFunc(out, func(o *service) bool { return o.host == s.host }) {
			out = append(out, s)
		}
	}
	return out
}

// names reports whether an upstream's host means a full host: as it stands, as
// name.namespace, or as the bare name.
func (t *translator) names(u Upstream, host string) bool {
	short := t.shortHost(host)
	if u.Host == host || u.Host == short {
		return true
	}
	name, _, _ := strings.Cut(short, ".")
	return short != host && u.Host == name
}

// unknownDestinations returns the hosts that routes send requests to and that
// no document describes, with the ports that they name (0 for none).
func (t *translator) unknownDestinations() map[string]map[uint32]*virtualService {
	out := make(map[string]map[uint32]*virtualService)
	add := func(vs *virtualService, d *networking.Destination) {
		host := d.GetHost()
		if d == nil || t.services.byHost[host] != nil {
			return
		}
		if out[host] == nil {
			out[host] = make(map[uint32]*virtualService)
		}
		if p := d.GetPort().GetNumber(); out[host][p] == nil {
			out[host][p] = vs
		}
	}
	for _, vs := range t.virtualServices {
		for _, r := range vs.http {
			h := r.spec
			for _, d := range h.GetRoute() {
				add(vs, d.GetDestination())
			}
			add(vs, h.GetMirror())
			for _, m := range h.GetMirrors() {
				add(vs, m.GetDestination())
			}
		}
	}
	return out
}

// serviceForUpstreams makes a service for a host that only destinations name,
// if an upstream is given for it. Its ports are those that the destinations and
// the upstreams name.
func (t *translator) serviceForUpstreams(host string, named map[uint32]*virtualService, upstreams []Upstream) {
	var ports []uint32
	wanted := false
	for _, u := range upstreams {
		if t.names(u, host) {
			wanted = true
			ports = append(ports, u.Port)
		}
	}
	if !wanted {
		return
	}
	var from *virtualService
	for p, vs := range named {
		ports = append(ports, p)
		if from == nil || vs.Key.String() < from.Key.String() {
			from = vs
		}
	}
	slices.Sort(ports)
	ports = slices.DeleteFunc(slices.Compact(ports), func(p uint32) bool { return p == 0 })
	if len(ports) == 0 {
		ports = []uint32{80}
	}
	name, ns := serviceName(t.shortHost(host), host, from.Namespace)
	s := &service{
		Resource:   &resource.Resource{Key: resource.Key{Kind: "Service", Namespace: ns, Name: name}, Pos: from.Pos},
		host:       host,
		label:      name,
		resolution: networking.ServiceEntry_STATIC,
	}
	for _, p := range ports {
		s.ports = append(s.ports, servicePort{number: p, name: "http", protocol: "HTTP"})
	}
	t.services.add(s)
}

// serviceName takes name.namespace apart; a host outside the cluster is its own
// name.
func serviceName(short, host, fallback string) (name, namespace string) {
	name, ns, ok := strings.Cut(short, ".")
	if short == host || !ok {
		return host, fallback
	}
	return name, ns
}
