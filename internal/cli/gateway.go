package cli

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"

	"github.com/crossgate/crossgate/internal/console"
	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/engine"
	"github.com/crossgate/crossgate/internal/stats"
	"github.com/crossgate/crossgate/internal/xds"
)

// gateway is a running data plane and what can be seen of it.
type gateway struct {
	log     *slog.Logger
	engine  *engine.Engine
	stats   *stats.Store
	started time.Time
	// drain is how long running requests may take after the end.
	drain time.Duration
	// bootstrap is shown in dumps of snapshots that came from none.
	bootstrap *bootstrapv3.Bootstrap
	// configPath is the file of a bootstrap.
	configPath string
	levels     *logLevels

	current  atomic.Pointer[publication]
	draining atomic.Bool
	// findings are those about the input, as of its last change.
	findings atomic.Pointer[diag.List]
}

// publication is the configuration that runs, and since when.
type publication struct {
	snapshot *xds.Snapshot
	at       time.Time
	// expires is the end of the certificate that ends first, the zero time if there is
	// none. It is worked out when it is first asked for: each scrape does, and reading
	// certificates is slow.
	expires func() time.Time
}

// Publish implements pipeline.Sink.
func (g *gateway) Publish(s *xds.Snapshot) diag.List {
	list := g.engine.Publish(s)
	g.current.Store(&publication{s, time.Now(), sync.OnceValue(func() time.Time { return firstEnd(s) })})
	return list
}

func (g *gateway) console() console.Options {
	return console.Options{
		State:        g.state,
		ServerInfo:   g.serverInfo,
		ConfigDump:   g.configDump,
		Clusters:     g.clusters,
		Listeners:    g.listeners,
		Certificates: g.certificates,
		Origins:      g.origins,
		Diagnostics:  g.diagnostics,
		Stats:        g.stats,
		Levels:       g.levels,
	}
}

func (g *gateway) state() console.State {
	switch {
	case g.draining.Load():
		return console.Draining
	case g.current.Load() == nil:
		return console.PreInitializing
	}
	return console.Live
}

func (g *gateway) configDump(o xds.DumpOptions) ([]byte, error) {
	p := g.current.Load()
	if p == nil {
		p = &publication{snapshot: &xds.Snapshot{}, at: g.started}
	}
	o.Updated, o.Bootstrap = p.at, g.bootstrap
	return p.snapshot.ConfigDump(o)
}

func (g *gateway) origins() map[string]diag.Pos {
	if p := g.current.Load(); p != nil {
		return p.snapshot.Origins
	}
	return nil
}

func (g *gateway) diagnostics() diag.List {
	if l := g.findings.Load(); l != nil {
		return *l
	}
	return nil
}

// site is one listener of the console.
type site struct {
	name string
	ln   net.Listener
	h    http.Handler
}

// run serves the console and calls configure, which publishes and returns when
// ctx ends or when it failed. Then, if all went well, requests that run may
// finish while the console still answers; at last everything is closed.
func (g *gateway) run(ctx context.Context, sites []site, configure func(context.Context) error) error {
	stop, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	for _, s := range sites {
		wg.Go(func() {
			if err := console.Serve(stop, s.ln, s.h, g.levels.named(logAdmin)); err != nil {
				g.log.Error("the console stopped", "site", s.name, "error", err)
			}
		})
	}
	err := configure(ctx)
	if err == nil {
		g.log.Info("draining", "at most", g.drain)
		g.draining.Store(true)
		deadline, done := context.WithTimeout(context.WithoutCancel(ctx), g.drain)
		if g.engine.Drain(deadline) != nil {
			g.log.Warn("requests were cut off: the drain time is over")
		}
		done()
	}
	if closeErr := g.close(); err == nil {
		err = closeErr
	}
	cancel()
	wg.Wait()
	return err
}

// closeGrace bounds how long the end waits for requests that were cut off: one
// that hangs in its upstream must not hold the process.
const closeGrace = time.Second

func (g *gateway) close() error {
	closed := make(chan error, 1)
	go func() { closed <- g.engine.Close() }()
	select {
	case err := <-closed:
		return err
	case <-time.After(closeGrace):
		return nil
	}
}
