package upstream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	caresv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/network/dns_resolver/cares/v3"
)

// discovery is the hosts of a cluster whose endpoints are names (STRICT_DNS,
// LOGICAL_DNS). Names looks them up; what it finds takes effect at once, in all
// programs that have the cluster.
type discovery struct {
	cluster  string
	logical  bool // one host: the first address, or any that can be reached
	settings dnsSettings
	load     *endpointv3.ClusterLoadAssignment
	balance  balance
	names    *Names
	newHost  hostMaker
	changed  func(hosts []*Host)

	list    []*lookedUp // in the order of the configuration
	members atomic.Pointer[members]
	first   chan struct{} // closed when each name was looked up

	mu      sync.Mutex
	waiting map[*lookedUp]bool // for their first lookup
	known   map[hostKey]*Host
	stopped bool
}

// newDiscovery reads the names of a cluster.
func newDiscovery(c *clusterv3.Cluster, load *endpointv3.ClusterLoadAssignment, names *Names, protect func(*endpointv3.LbEndpoint) protection) (*discovery, error) {
	d := &discovery{
		cluster: c.GetName(), logical: c.GetType() == clusterv3.Cluster_LOGICAL_DNS, load: load, names: names,
		first: make(chan struct{}), waiting: map[*lookedUp]bool{}, known: map[hostKey]*Host{},
	}
	var err error
	if d.settings, err = newDNSSettings(c); err != nil {
		return nil, err
	}
	for _, locality := range load.GetEndpoints() {
		for _, e := range locality.GetLbEndpoints() {
			if !takesTraffic(e.GetHealthStatus()) {
				continue
			}
			sa, err := socketAddress(e.GetEndpoint().GetAddress())
			if err != nil {
				return nil, err
			}
			l := &lookedUp{
				of: d, name: sa.GetAddress(), port: strconv.Itoa(int(sa.GetPortValue())),
				endpoint: e, protection: protect(e), group: locality, place: -1,
			}
			if ip, err := netip.ParseAddr(l.name); err == nil {
				l.addrs = []netip.Addr{ip}
			} else {
				d.waiting[l] = true
			}
			d.list = append(d.list, l)
		}
	}
	if d.logical && len(d.list) != 1 {
		return nil, errors.New("a cluster of type LOGICAL_DNS must have one endpoint")
	}
	return d, nil
}

// inherit takes over the addresses that the cluster of the same name had before:
// they hold until there are others. If it was the same but for its endpoints, its
// hosts are taken over too, and a name that was looked up is not waited for; prev
// then changes nothing of them any more.
func (d *discovery) inherit(prev *discovery, same bool) {
	prev.mu.Lock()
	defer prev.mu.Unlock()
	for _, l := range d.list {
		for _, old := range prev.list {
			if old.name != l.name || prev.waiting[old] {
				continue
			}
			l.addrs = old.addrs
			if same {
				delete(d.waiting, l)
			}
		}
	}
	if same {
		maps.Copy(d.known, prev.known)
		prev.stopped = true
	}
}

// begin makes the first hosts and has the names looked up.
func (d *discovery) begin() {
	d.mu.Lock()
	d.rebuild() // those that are gone are the earlier discovery's, which Retire closes
	if len(d.waiting) == 0 {
		close(d.first)
	}
	d.mu.Unlock()
	if d.names != nil {
		d.names.add(d.lookups())
	}
}

// lookups are the endpoints that are names.
func (d *discovery) lookups() (out []*lookedUp) {
	for _, l := range d.list {
		if _, err := netip.ParseAddr(l.name); err != nil {
			out = append(out, l)
		}
	}
	return out
}

// update notes the addresses of a name. As Envoy 1.40 does, a cluster of type
// STRICT_DNS has no hosts for a name without addresses, and one of LOGICAL_DNS
// keeps the host that it has. With addresses of both families, the one host of
// LOGICAL_DNS is reached by whichever answers.
func (d *discovery) update(l *lookedUp, addrs []netip.Addr) {
	addrs = unique(addrs)
	if d.logical && len(addrs) > 1 && d.settings.family != family(clusterv3.Cluster_ALL) {
		addrs = addrs[:1]
	}
	d.mu.Lock()
	var gone []*Host
	if !d.stopped && !slices.Equal(l.addrs, addrs) && (len(addrs) > 0 || !d.logical) {
		l.addrs = addrs
		gone = d.rebuild()
	}
	d.mu.Unlock()
	for _, h := range gone {
		h.retire()
	}
	d.looked(l)
}

// looked notes that a name was looked up, with whatever success.
func (d *discovery) looked(l *lookedUp) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting[l] {
		if delete(d.waiting, l); len(d.waiting) == 0 {
			close(d.first)
		}
	}
}

// rebuild makes the hosts of the addresses and returns those that are no longer
// among them. d.mu is held.
func (d *discovery) rebuild() (gone []*Host) {
	var list []member
	workloads := map[Workload]*Workload{}
	used := map[hostKey]*Host{}
	for _, l := range d.list {
		for _, address := range d.hostsOf(l) {
			key := hostKey{address, l.protection.id}
			h := used[key]
			if h == nil {
				if h = d.known[key]; h == nil {
					h = d.host(address, l.protection)
				}
				used[key] = h
			}
			h.protect(l.protection.socket)
			h.setWorkload(l.endpoint, workloads)
			list = append(list, newMember(h, l.endpoint, l.group))
		}
	}
	for key, h := range d.known {
		if used[key] == nil {
			gone = append(gone, h)
		}
	}
	d.known = used
	m := newMembers(list, d.balance)
	d.members.Store(m)
	d.changed(m.hosts)
	return gone
}

// hostsOf is the hosts that a name stands for: addresses, or several of them with
// blanks between for one host that has them all.
func (d *discovery) hostsOf(l *lookedUp) (out []string) {
	for _, ip := range l.addrs {
		out = append(out, net.JoinHostPort(ip.String(), l.port))
	}
	if d.logical && len(out) > 0 {
		return []string{strings.Join(out, " ")}
	}
	return out
}

func (d *discovery) host(addresses string, p protection) *Host {
	all := strings.Fields(addresses)
	h := d.newHost(all[0], p)
	if len(all) > 1 {
		h.dial, h.several = firstOf(h.dial, all), true
	}
	return h
}

// protect sets what new connections are protected by, also those to hosts that will
// be found later.
func (d *discovery) protect(of func(*endpointv3.LbEndpoint) protection) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, l := range d.list {
		l.protection = of(l.endpoint)
		for _, address := range d.hostsOf(l) {
			if h := d.known[hostKey{address, l.protection.id}]; h != nil {
				h.protect(l.protection.socket)
			}
		}
	}
}

// stop ends the lookups; the hosts stay what they are.
func (d *discovery) stop() {
	if d.names != nil {
		d.names.remove(d.lookups())
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped = true
}

// dnsSettings are how the names of a cluster are looked up.
type dnsSettings struct {
	family              family
	refresh             time.Duration
	failBase, failMax   time.Duration // 0: like refresh
	jitter              time.Duration
	respectTTL          bool
	servers             []netip.AddrPort
	useTCP, noSearching bool
}

// defaultRefresh is Envoy's dns_refresh_rate.
const defaultRefresh = 5 * time.Second

func newDNSSettings(c *clusterv3.Cluster) (dnsSettings, error) {
	//nolint:staticcheck // What istiod sends, and most bootstraps have.
	s := dnsSettings{
		family: family(c.GetDnsLookupFamily()), refresh: length(c.GetDnsRefreshRate(), defaultRefresh), jitter: length(c.GetDnsJitter(), 0),
		respectTTL: c.GetRespectDnsTtl(),
	}
	if s.refresh < time.Millisecond {
		return s, errors.New("dns_refresh_rate: must be at least 1ms")
	}
	if f := c.GetDnsFailureRefreshRate(); f != nil { //nolint:staticcheck // as above
		s.failBase = length(f.GetBaseInterval(), 0)
		s.failMax = length(f.GetMaxInterval(), max(s.failBase, 10*min(s.failBase, forever/10)))
		if s.failBase < time.Millisecond || s.failMax < s.failBase {
			return s, errors.New("dns_failure_refresh_rate: base_interval must be at least 1ms and max_interval not below it")
		}
	}
	typed := c.GetTypedDnsResolverConfig().GetTypedConfig()
	cares := &caresv3.CaresDnsResolverConfig{}
	if typed == nil || !typed.MessageIs(cares) {
		return s, nil
	}
	if err := typed.UnmarshalTo(cares); err != nil {
		return s, fmt.Errorf("typed_dns_resolver_config: %w", err)
	}
	for i, r := range cares.GetResolvers() {
		ip, err := netip.ParseAddr(r.GetSocketAddress().GetAddress())
		if err != nil {
			return s, fmt.Errorf("typed_dns_resolver_config: resolvers[%d] must be an IP address", i)
		}
		port := uint16(r.GetSocketAddress().GetPortValue())
		if port == 0 {
			port = 53
		}
		s.servers = append(s.servers, netip.AddrPortFrom(ip, port))
	}
	s.useTCP = cares.GetDnsResolverOptions().GetUseTcpForDnsLookups()
	s.noSearching = cares.GetDnsResolverOptions().GetNoDefaultSearchDomain()
	return s, nil
}

// query is the question for a name; its family is still to be set.
func (s *dnsSettings) query(name string) Query {
	if s.noSearching {
		name = rooted(name)
	}
	return Query{Name: name, Servers: s.servers, TCP: s.useTCP}
}

// afterFailure is when to look a name up again that could not be, n times in a row:
// a random time below an interval that doubles, or the ordinary one.
func (s *dnsSettings) afterFailure(n int) time.Duration {
	if s.failBase == 0 {
		return s.refresh
	}
	limit := s.failMax
	if steps := time.Duration(1)<<min(n, 62) - 1; steps < s.failMax/s.failBase {
		limit = s.failBase * steps
	}
	return max(rand.N(limit), time.Millisecond)
}

// family is which addresses of a name are used (dns_lookup_family).
type family clusterv3.Cluster_DnsLookupFamily

func (f family) String() string { return clusterv3.Cluster_DnsLookupFamily(f).String() }

// lookup asks for the addresses of the family: of both families, of the one or
// else of the other, or of one.
func (f family) lookup(ctx context.Context, r Resolver, q Query) (Answer, error) {
	switch clusterv3.Cluster_DnsLookupFamily(f) {
	case clusterv3.Cluster_V4_ONLY:
		return r.Lookup(ctx, q)
	case clusterv3.Cluster_V6_ONLY:
		q.V6 = true
		return r.Lookup(ctx, q)
	case clusterv3.Cluster_ALL:
		return both(ctx, r, q)
	case clusterv3.Cluster_V4_PREFERRED:
	default: // AUTO
		q.V6 = true
	}
	if a, err := r.Lookup(ctx, q); err == nil && len(a.Addrs) > 0 {
		return a, nil
	}
	q.V6 = !q.V6
	return r.Lookup(ctx, q)
}

// both are the addresses of both families, those of IPv4 first. It fails when one
// of the lookups does and the other brings nothing.
func both(ctx context.Context, r Resolver, q Query) (Answer, error) {
	v4, err4 := r.Lookup(ctx, q)
	q.V6 = true
	v6, err6 := r.Lookup(ctx, q)
	out := Answer{Addrs: append(slices.Clip(v4.Addrs), v6.Addrs...), TTL: v4.TTL}
	if len(v4.Addrs) == 0 || v6.TTL > 0 && v6.TTL < v4.TTL {
		out.TTL = v6.TTL
	}
	if len(out.Addrs) == 0 {
		return out, errors.Join(err4, err6)
	}
	return out, nil
}
