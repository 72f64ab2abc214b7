package engine

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	inspectorv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/tls_inspector/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/stats"
	"github.com/crossgate/crossgate/internal/upstream"
	"github.com/crossgate/crossgate/internal/xds"
)

// compiler turns one snapshot into a Program. What it cannot run it reports, and
// leaves out the smallest unit around it that can be left out without opening
// anything: a route answers 503, a virtual host, a cluster or a listener is
// absent.
type compiler struct {
	snap     *xds.Snapshot
	prog     *Program
	runtime  runtime
	stats    *stats.Store
	workload stats.Workload
	logs     *logFiles // nil: access logs are checked, not opened
	fallback io.Writer // access log of managers that have none
	dial     upstream.Dial
	names    *upstream.Names // nil: names are not looked up
	slots    map[string]int
	routes   map[string]*routev3.RouteConfiguration
	tables   map[string]*routeTable
	unset    levelID // no level says anything to filters
	earlier  earlier
	bytes    [2][]byte // of equal
	spent    int       // since requests had their turn
	secrets  map[string]*tlsv3.Secret
	loads    map[string]*endpointv3.ClusterLoadAssignment
	sockets  map[string]*clusterSockets // by cluster
	before   map[string]*clusterSockets // those of the program that is served
	pairs    *keyPairs
	diags    diag.List
}

// Compile compiles a snapshot without running it: the diagnostics tell what an
// engine could not run of it.
func Compile(s *xds.Snapshot) (*Program, diag.List) {
	return compile(s, nil, &compiler{stats: stats.New(), pairs: newKeyPairs(nil)})
}

func (e *Engine) compile(s *xds.Snapshot) (*Program, diag.List) {
	var prev *upstream.Set
	var pairs map[pairKey]tls.Certificate
	c := &compiler{stats: e.opts.Stats, workload: e.opts.Workload, logs: e.logs, fallback: e.opts.AccessLog, dial: e.dial, names: e.names}
	if e.program != nil {
		c.earlier.program = e.program
		prev = e.program.clusters
		c.before, pairs = e.program.sockets, e.program.pairs
	}
	c.pairs = newKeyPairs(pairs)
	return compile(s, prev, c)
}

func compile(s *xds.Snapshot, prev *upstream.Set, c *compiler) (*Program, diag.List) {
	c.snap, c.prog = s, &Program{version: s.Version, counted: c.stats.Generation()}
	c.runtime = newRuntime(s.Bootstrap)
	c.slots = map[string]int{}
	c.routes = map[string]*routev3.RouteConfiguration{}
	c.tables = map[string]*routeTable{}
	c.secrets = map[string]*tlsv3.Secret{}
	c.sockets = map[string]*clusterSockets{}
	for _, r := range s.Routes {
		c.routes[r.GetName()] = r
	}
	for _, sec := range s.Secrets {
		c.secrets[sec.GetName()] = sec
	}
	c.loads = map[string]*endpointv3.ClusterLoadAssignment{}
	for _, e := range s.Endpoints {
		c.loads[e.GetClusterName()] = e
	}
	c.compileClusters(prev)
	c.findSlots()
	c.takeOver()
	for _, l := range s.Listeners {
		lp, err := c.compileListener(l)
		if err != nil {
			c.report(xds.ListenerKey(l.GetName()), "listener "+l.GetName(), err)
			continue
		}
		c.prog.listeners = append(c.prog.listeners, lp)
	}
	c.prog.pairs, c.prog.slots, c.prog.runtime, c.prog.tables = c.pairs.now, c.slots, c.runtime, c.tables
	c.earlier = earlier{} // discoveries of names go on, and know of c
	c.diags.Sort()
	return c.prog, c.diags
}

// report notes what could not be compiled. key finds its place in the input.
func (c *compiler) report(key, object string, err error) {
	for _, e := range flatten(err) {
		c.diags = append(c.diags, diag.Diagnostic{
			Pos: c.snap.Origins[key], Severity: diag.Error, Code: "CG0302", Object: object, Message: e.Error(),
		})
	}
}

// flatten undoes errors.Join, so that each finding has its own line.
func flatten(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// prefixed puts a field path before an error, or before each of several.
func prefixed(path string, err error) error {
	var out []error
	for _, e := range flatten(err) {
		out = append(out, fmt.Errorf("%s: %w", path, e))
	}
	return errors.Join(out...)
}

func (c *compiler) compileClusters(prev *upstream.Set) {
	usable := c.snap.Clusters[:0:0]
	for _, cl := range c.snap.Clusters {
		err := c.checkCluster(cl)
		var sockets *clusterSockets
		if err == nil {
			sockets, err = c.compileSockets(cl)
		}
		if err == nil && c.sockets[cl.GetName()] != nil {
			err = errors.New("the name is used twice")
		}
		if err != nil {
			c.report(xds.ClusterKey(cl.GetName()), "cluster "+cl.GetName(), err)
			continue
		}
		c.sockets[cl.GetName()] = sockets
		usable = append(usable, cl)
	}
	set, errs := upstream.NewSet(prev, usable, c.snap.Endpoints, c.dial, c.names, c.choose, c.prog.counted)
	for _, err := range errs {
		c.report("", "", err)
	}
	c.prog.clusters, c.prog.sockets = set, c.sockets
	c.prog.altNames = make(map[string]string, len(c.snap.Clusters))
	for _, cl := range c.snap.Clusters {
		c.prog.altNames[cl.GetName()] = cmp.Or(cl.GetAltStatName(), cl.GetName())
	}
	c.prog.http2At, c.prog.balancedAt = map[string]diag.Pos{}, map[string]diag.Pos{}
	for _, cl := range usable {
		built := set.Cluster(cl.GetName())
		if built != nil && built.HTTP2 {
			c.prog.http2At[built.Name] = c.clusterPos(built.Name, xds.ClusterHTTP2Key)
		}
		if built != nil && built.ByDestination {
			c.prog.balancedAt[built.Name] = c.clusterPos(built.Name, xds.ClusterBalanceKey)
		}
	}
}

// clusterPos is where a property of a cluster was asked for, or else the cluster.
func (c *compiler) clusterPos(cluster string, key func(string) string) diag.Pos {
	if pos, ok := c.snap.Origins[key(cluster)]; ok {
		return pos
	}
	return c.snap.Origins[xds.ClusterKey(cluster)]
}

// findSlots gives every filter name of the snapshot a place in the settings of
// targets.
func (c *compiler) findSlots() {
	for _, l := range c.snap.Listeners {
		for _, chain := range l.GetFilterChains() {
			hcm, err := managerOf(chain)
			if err != nil {
				continue // compileListener reports it
			}
			for _, f := range hcm.GetHttpFilters() {
				if _, ok := c.slots[f.GetName()]; !ok {
					c.slots[f.GetName()] = len(c.slots)
				}
			}
		}
	}
}

func (c *compiler) compileListener(l *listenerv3.Listener) (*listenerProgram, error) {
	if err := unsupported(l); err != nil {
		return nil, err
	}
	sa := l.GetAddress().GetSocketAddress()
	if sa == nil || sa.GetProtocol() != corev3.SocketAddress_TCP {
		return nil, errors.New("address: only TCP sockets are supported")
	}
	lp := &listenerProgram{name: l.GetName(), pos: c.snap.Origins[xds.ListenerKey(l.GetName())], host: sa.GetAddress(), port: sa.GetPortValue(), prog: c.prog}
	scope := listenerScope(l.GetStatPrefix(), sa.GetAddress(), sa.GetPortValue())
	lp.stats = stats.Use[listenerStats](c.prog.counted, scope)
	for i, f := range l.GetListenerFilters() {
		if err := checkListenerFilter(f); err != nil {
			return nil, prefixed(fmt.Sprintf("listener_filters[%d]", i), err)
		}
	}
	var failed error
	for i, chain := range l.GetFilterChains() {
		fc, err := c.compileChain(chain, l.GetTrafficDirection())
		if err != nil {
			failed = prefixed(fmt.Sprintf("filter_chains[%d]", i), err)
			c.report(xds.ListenerKey(l.GetName()), "listener "+l.GetName(), failed)
			continue
		}
		fc.manager.listener, fc.manager.chain = l.GetName(), chain.GetName()
		fc.manager.metadata = l.GetMetadata()
		fc.manager.rqStats = stats.Use[listenerRqStats](c.prog.counted, scope.In("http").Tagged(tagManager, fc.manager.statPrefix))
		lp.chains = append(lp.chains, fc)
	}
	if len(lp.chains) == 0 {
		if failed != nil {
			return nil, errors.New("no filter chain can be served")
		}
		return nil, errors.New("no filter chains")
	}
	if lp.usesTLS() {
		lp.tls = stats.Use[listenerTLSStats](c.prog.counted, scope.In("ssl"))
	}
	for _, fc := range lp.chains {
		if (fc.tls == nil) != (lp.chains[0].tls == nil) {
			return nil, errors.New("filter chains with and without TLS on one listener are not supported")
		}
	}
	return lp, nil
}

// checkListenerFilter accepts the TLS inspector alone: server names are known without
// it. Envoy goes by the type of its configuration, where there is one.
func checkListenerFilter(f *listenerv3.ListenerFilter) error {
	inspector := &inspectorv3.TlsInspector{}
	switch typed := f.GetTypedConfig(); {
	case typed == nil && f.GetName() == "envoy.filters.listener.tls_inspector":
		return nil
	case !typed.MessageIs(inspector):
		return fmt.Errorf("filter %q is not supported", f.GetName())
	default:
		return unpack(typed, inspector)
	}
}

// unpack reads a message that is packed, and refuses fields of it that are not
// carried out.
func unpack(packed *anypb.Any, into proto.Message) error {
	if err := packed.UnmarshalTo(into); err != nil {
		return err
	}
	return unsupported(into)
}

// defaultHandshakeTimeout is istiod's; Envoy itself would wait for ever.
const defaultHandshakeTimeout = 15 * time.Second

func (c *compiler) compileChain(chain *listenerv3.FilterChain, direction corev3.TrafficDirection) (*filterChain, error) {
	if err := unsupported(chain); err != nil {
		return nil, err
	}
	hcm, err := managerOf(chain)
	if err != nil {
		return nil, err
	}
	fc := &filterChain{serverNames: lowerAll(chain.GetFilterChainMatch().GetServerNames())}
	fc.tlsTimeout = defaultHandshakeTimeout
	if d := chain.GetTransportSocketConnectTimeout(); d != nil {
		fc.tlsTimeout = d.AsDuration()
	}
	if ts := chain.GetTransportSocket(); ts != nil {
		if fc.tls, err = c.compileTLS(ts); err != nil {
			return nil, prefixed("transport_socket", err)
		}
	}
	if len(fc.serverNames) > 0 && fc.tls == nil {
		return nil, errors.New("filter_chain_match.server_names without TLS")
	}
	fc.manager, err = c.compileManager(hcm)
	if err != nil {
		return nil, prefixed("http_connection_manager", err)
	}
	if d := fc.manager.certDetails; d != nil {
		d.by = ownNames(fc.tls)
	}
	fc.manager.egressTracing = hcm.GetTracing() != nil && direction == corev3.TrafficDirection_OUTBOUND
	return fc, nil
}
