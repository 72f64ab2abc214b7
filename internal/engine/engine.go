package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/http2"
	"github.com/crossgate/crossgate/internal/stats"
	"github.com/crossgate/crossgate/internal/upstream"
	"github.com/crossgate/crossgate/internal/xds"
)

// Options are what an engine needs from its surroundings. The zero value works.
type Options struct {
	// Logger takes what an operator should know. Nil: nothing is logged.
	Logger *slog.Logger
	// AccessLog, if set, gets a line in Envoy's default format for every
	// request to a connection manager without an access log of its own.
	AccessLog io.Writer
	// Stdout is where access logs to /dev/stdout go.
	Stdout io.Writer
	// Ports maps a listener's address as written to the one to bind. Nil: as
	// written.
	Ports func(host string, port uint32) (string, uint32)
	// Stats gets the counters. Nil: a store of the engine's own.
	Stats *stats.Store
	// Workload is what the proxy is, for the labels of its metrics.
	Workload stats.Workload
	// Trace, if set, is told about every request that has ended. It is for requests one after the other, not for traffic.
	Trace func(*Trace)
	// Dial opens connections to services. Nil: TCP.
	Dial upstream.Dial
	// Resolver looks up the names of endpoints. Nil: the system's.
	Resolver upstream.Resolver
	// Listen binds an address. Nil: TCP.
	Listen func(ctx context.Context, network, address string) (net.Listener, error)
}

// Engine runs the newest snapshot that was published to it.
type Engine struct {
	opts    Options
	log     *slog.Logger
	dial    upstream.Dial
	names   *upstream.Names
	buffers bufferPool
	streams streamPool
	workers workers
	http2   http2.Pool
	shadows shadows
	logs    *logFiles
	clock   atomic.Pointer[dateText]
	running atomic.Pointer[Program] // what program is, for those who only look
	nextID  atomic.Uint64
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	ownIP   []byte

	listenersCount *listenerManagerStats
	clustersCount  *upstream.ManagerStats

	publishing sync.Mutex // Publish and Close take it, before mu
	program    *Program   // guarded by publishing

	mu        sync.Mutex           // guards what follows
	listeners map[string]*listener // by bound address
	leaving   []*listener          // gone from the configuration, with connections
	closed    bool
}

// New returns an engine that serves nothing yet.
func New(o Options) *Engine {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Stats == nil {
		o.Stats = stats.New()
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{KeepAlive: -1}).DialContext
	}
	if o.Resolver == nil {
		o.Resolver = upstream.SystemResolver{}
	}
	if o.Listen == nil {
		o.Listen = Listen
	}
	if o.Ports == nil {
		o.Ports = func(host string, port uint32) (string, uint32) { return host, port }
	}
	e := &Engine{opts: o, log: o.Logger, dial: o.Dial, listeners: map[string]*listener{}, ownIP: ownAddress()}
	e.names = upstream.NewNames(o.Resolver, o.Logger)
	e.workers.work = (*stream).work
	e.shadows.engine = e
	e.logs = newLogFiles(o.Stdout)
	e.ctx, e.cancel = context.WithCancel(context.Background())
	o.Stats.OnRead(e.measure)
	e.listenersCount = stats.Of[listenerManagerStats](o.Stats, stats.Scope{}.In("listener_manager"))
	e.clustersCount = stats.Of[upstream.ManagerStats](o.Stats, stats.Scope{}.In("cluster_manager"))
	return e
}

// Publish compiles the snapshot and puts it in force: requests that begin from
// now on are served by it. What cannot be run is reported; everything else is
// served. Listeners that did not change keep their sockets and connections.
//
// The names of new clusters are looked up first, so that no request comes before
// their addresses; a name that no server answers for is waited for as long as
// nameLimit.
func (e *Engine) Publish(s *xds.Snapshot) diag.List {
	e.publishing.Lock()
	defer e.publishing.Unlock()
	if e.ctx.Err() != nil {
		return diag.List{{Severity: diag.Error, Code: "CG0300", Message: "the engine is closed"}}
	}
	prog, diags := e.compile(s)
	ctx, cancel := context.WithTimeout(e.ctx, nameLimit)
	_ = prog.clusters.Wait(ctx) // the clusters that it is too late for have no hosts yet
	cancel()
	diags = append(diags, e.serve(prog)...)
	prog.counted.Commit()
	e.running.Store(prog)
	old := e.program
	e.program = prog
	if old != nil {
		prog.clusters.Count(e.clustersCount, old.clusters)
		old.clusters.Retire(prog.clusters)
	} else {
		prog.clusters.Count(e.clustersCount, nil)
	}
	return diags
}

// nameLimit bounds the wait for the names of new clusters.
const nameLimit = 5 * time.Second

// serve binds what is new, swaps the programs of what stays, and closes what is
// gone.
func (e *Engine) serve(prog *Program) diag.List {
	e.mu.Lock()
	defer e.mu.Unlock()
	var diags diag.List
	e.leaving = slices.DeleteFunc(e.leaving, (*listener).isEmpty)
	wanted := map[string]*listenerProgram{}
	for _, lp := range prog.listeners {
		host, port := e.opts.Ports(lp.host, lp.port)
		// The first of several on one address has it, as xds.Ports.Collisions says.
		if address := xds.HostPort(host, port); wanted[address] == nil {
			wanted[address] = lp
		}
	}
	for address, l := range e.listeners {
		if wanted[address] == nil {
			l.stop()
			e.leaving = append(e.leaving, l)
			delete(e.listeners, address)
			e.listenersCount.Removed.Inc()
		}
	}
	for address, lp := range wanted {
		if l := e.listeners[address]; l != nil {
			l.program.Store(lp)
			continue
		}
		nl, err := e.opts.Listen(context.Background(), "tcp", address)
		e.listenersCount.Added.Inc()
		if err != nil {
			e.listenersCount.Failed.Inc()
			diags = append(diags, diag.Diagnostic{
				Pos: lp.pos, Severity: diag.Error, Code: "CG0301", Object: "listener " + lp.name,
				Message: fmt.Sprintf("listener %s: %v", lp.name, err),
			})
			continue
		}
		e.listenersCount.Created.Inc()
		e.listeners[address] = newListener(e, nl, lp)
	}
	e.listenersCount.Active.Set(int64(len(e.listeners)))
	return diags
}

// measure sets the gauges that are looked up and not counted.
func (e *Engine) measure() {
	if p := e.running.Load(); p != nil {
		p.clusters.Measure()
	}
}

// Clusters returns the clusters that run, with their hosts as they are now.
func (e *Engine) Clusters() []upstream.Status {
	p := e.running.Load()
	if p == nil {
		return nil
	}
	return p.clusters.Statuses()
}

// Connections returns how many connections of clients are open.
func (e *Engine) Connections() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, l := range slices.AppendSeq(slices.Clone(e.leaving), maps.Values(e.listeners)) {
		n += l.connections()
	}
	return n
}

// ListenerStatus is a listener that is bound.
type ListenerStatus struct {
	Name string   // as in the snapshot
	Addr net.Addr // where it accepts
}

// Listeners returns the listeners that accept connections, in no order.
func (e *Engine) Listeners() []ListenerStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []ListenerStatus
	for _, l := range e.listeners {
		out = append(out, ListenerStatus{Name: l.program.Load().name, Addr: l.nl.Addr()})
	}
	return out
}

// Drain stops accepting and lets running requests end: their answers say
// connection: close, idle connections are closed at once. It returns when all
// connections are closed, or with the context's error.
func (e *Engine) Drain(ctx context.Context) error {
	e.mu.Lock()
	listeners := slices.Clone(e.leaving)
	for _, l := range e.listeners {
		listeners = append(listeners, l)
		l.stop()
	}
	e.mu.Unlock()
	for _, l := range listeners {
		if err := l.waitEmpty(ctx); err != nil {
			return fmt.Errorf("drain: %w", err)
		}
	}
	return nil
}

// Close ends everything at once.
func (e *Engine) Close() error {
	e.cancel() // ends a Publish that waits
	e.publishing.Lock()
	defer e.publishing.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	e.names.Close()
	all := slices.AppendSeq(slices.Clone(e.leaving), maps.Values(e.listeners))
	for _, l := range all {
		l.stop()
		l.closeConnections()
	}
	for _, l := range all {
		if err := l.waitEmpty(context.Background()); err != nil {
			return err
		}
	}
	e.workers.close()
	e.shadows.close()
	if e.program != nil {
		e.program.clusters.Retire(nil)
	}
	return e.logs.close()
}

// pause waits until at, which why stands for, or until the engine is closed.
func (e *Engine) pause(at time.Time, why pauseEnd) pauseEnd {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return why
	case <-e.ctx.Done():
		return pauseLeft
	}
}

// ownAddress is the first address of the machine that is not loopback, which is
// what Envoy puts into x-forwarded-for for a client on the machine itself.
func ownAddress() []byte {
	addrs, err := net.InterfaceAddrs()
	if err == nil {
		for _, a := range addrs {
			if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && n.IP.To4() != nil {
				return []byte(n.IP.String())
			}
		}
	}
	return []byte("127.0.0.1")
}

// dateText is the date header of one second.
type dateText struct {
	second int64
	text   []byte
}

// date returns the Date header's value for now.
func (e *Engine) date(now time.Time) []byte {
	sec := now.Unix()
	if d := e.clock.Load(); d != nil && d.second == sec {
		return d.text
	}
	d := &dateText{second: sec, text: now.UTC().AppendFormat(nil, "Mon, 02 Jan 2006 15:04:05 GMT")}
	e.clock.Store(d)
	return d.text
}

// errClosed tells an orderly end of an accept loop from a failure.
func errClosed(err error) bool { return errors.Is(err, net.ErrClosed) }
