package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/crossgate/crossgate/internal/console"
	"github.com/crossgate/crossgate/internal/devkit"
	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/engine"
	"github.com/crossgate/crossgate/internal/pipeline"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/source"
	"github.com/crossgate/crossgate/internal/stats"
	"github.com/crossgate/crossgate/internal/translate"
	"github.com/crossgate/crossgate/internal/xds"
)

// The reasons why serve does not start although its command line is right.
var (
	errNothingToServe = errors.New("nothing to serve: no listener came out of the input, for the reasons above")
	errNotEnforced    = errors.New("refused: the input asks for protection that is not built yet (see above); --allow-unenforced goes on without it")
	errUpstream       = errors.New("an --upstream names no service of the input, see above")
	errNoPort         = errors.New("no listener could be opened, for the reasons above")
)

type serveFlags struct {
	input     inputFlags
	listen    listenFlags
	log       logFlags
	admin     string
	readiness string
	metrics   string
	accessLog bool
	drain     time.Duration
}

func (p *program) serveCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve PATH...",
		Short: "Run a gateway from configuration files",
		Long: `serve runs the Gateways and VirtualServices in files and directories (- is
standard input) on this machine, and follows every change of the files. A change
that is wrong is reported, and what served before goes on, object by object.

Ports of Gateways below 1024 move: 80 to 8080, 443 to 8443, others 8000 higher.
Where a VirtualService has no Gateway, one on port 80 is made for it. Where a
service is, tell with --upstream.

Standard output gets the table of routes, a curl command to try, and the word
ready; the log goes to standard error. SIGTERM and SIGINT let running requests
finish; a second signal ends at once.`,
		Example: `  crossgate serve virtualservice.yaml --upstream api-service=127.0.0.1:3000

  # HTTPS with certificates made on the spot
  crossgate serve config/ --dev-certs --upstream api-service.production:8080=127.0.0.1:3000

  # A second gateway beside the first
  crossgate serve other/ --port-offset 100

  # What a cluster has
  kubectl get gateway,virtualservice,serviceentry -A -o yaml | crossgate serve -`,
		Args: cobra.MinimumNArgs(1),
		RunE: run(func(ctx context.Context, paths []string) error { return p.serve(ctx, paths, f) }),
	}
	fs := cmd.Flags()
	f.input.register(fs)
	f.listen.register(fs)
	f.log.register(cmd)
	fs.StringVar(&f.admin, "admin-address", defaultAdmin, "`address` of the admin interface, or off")
	fs.StringVar(&f.readiness, "readiness-address", defaultReadiness, "`address` of the readiness probe /healthz/ready, or off")
	fs.StringVar(&f.metrics, "metrics-address", defaultMetrics, "`address` of the metrics /stats/prometheus, or off")
	fs.BoolVar(&f.accessLog, "access-log", false, "log every request to standard output, in Envoy's default format")
	drainFlag(cmd, &f.drain)
	return cmd
}

func drainFlag(cmd *cobra.Command, d *time.Duration) {
	cmd.Flags().DurationVar(d, "drain-time", 30*time.Second, "how long running requests may take after the first signal")
}

func (p *program) serve(ctx context.Context, paths []string, f serveFlags) error {
	opts, err := f.input.options()
	if err != nil {
		return err
	}
	ca, err := f.listen.apply(&opts)
	if err != nil {
		return err
	}
	levels, err := f.log.levels(p.stderr)
	if err != nil {
		return err
	}
	log := levels.named(logConfig)
	findings, err := f.log.newDiagnosticLog(log, p.stderr)
	if err != nil {
		return err
	}
	bootstrap := f.input.bootstrap()
	g := p.newGateway(levels, f.drain, engine.Options{Ports: f.listen.ports.Map, Workload: workloadOf(bootstrap.GetNode())}, f.accessLog)
	g.bootstrap = bootstrap
	sites, err := f.sites(g.console())
	if err != nil {
		return err
	}
	src := source.NewFiles(source.Options{Paths: paths, Stdin: p.stdin, Parse: f.input.parse()})
	s := &serving{p: p, gateway: g, log: log, findings: findings, ca: ca, opts: opts}
	return g.run(ctx, sites, func(ctx context.Context) error { return s.follow(ctx, src) })
}

// newGateway completes the options of the engine with what all gateways have.
func (p *program) newGateway(levels *logLevels, drain time.Duration, o engine.Options, accessLog bool) *gateway {
	store := stats.New()
	o.Logger, o.Stdout, o.Stats, o.Listen = levels.named(logEngine), p.stdout, store, listen
	if accessLog {
		o.AccessLog = p.stdout
	}
	g := &gateway{log: levels.named(logConfig), levels: levels, engine: engine.New(o), stats: store, started: time.Now(), drain: drain}
	store.OnRead(g.measure)
	return g
}

// sites opens the listeners of the console, before anything else: a second
// instance learns at once that it is one.
func (f *serveFlags) sites(o console.Options) ([]site, error) {
	var sites []site
	for _, s := range []struct {
		flag, value string
		site        site
	}{
		{"admin-address", f.admin, site{name: "admin", h: console.Guard(console.Admin(o))}},
		{"readiness-address", f.readiness, site{name: "readiness", h: console.Readiness(o)}},
		{"metrics-address", f.metrics, site{name: "metrics", h: console.Metrics(o)}},
	} {
		addr, err := parseAddress(s.flag, s.value, f.listen.ports)
		if err == nil && !addr.off {
			s.site.ln, err = listen(context.Background(), "tcp", addr.String())
		}
		if err != nil {
			closeSites(sites)
			return nil, fmt.Errorf("%s: %w", s.site.name, err)
		}
		if !addr.off {
			sites = append(sites, s.site)
		}
	}
	return sites, nil
}

func closeSites(sites []site) {
	for _, s := range sites {
		s.ln.Close()
	}
}

// serving follows a source and tells what it sees.
type serving struct {
	p        *program
	gateway  *gateway
	log      *slog.Logger
	findings *diagnosticLog
	ca       *devkit.CA
	opts     pipeline.Options

	serves *xds.Snapshot  // nil before the first
	kept   []resource.Key // of the last result
}

// follow publishes what the source emits until ctx ends. It fails if the first
// state of the source cannot be served.
func (s *serving) follow(ctx context.Context, src source.Source) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var failed error
	err := pipeline.Run(ctx, src, s.opts, []pipeline.Sink{s.gateway}, func(res *pipeline.Result) {
		if failed != nil {
			return
		}
		s.gateway.findings.Store(&res.Diags)
		s.findings.tell(res.Diags)
		if s.serves != nil {
			s.tellChange(res)
			return
		}
		if failed = s.begin(res); failed != nil {
			stop(failed)
		}
	})
	return errors.Join(failed, err)
}

// begin looks at the first result: what cannot be served at all ends the
// program, so that a mistake is not found out by its silence.
func (s *serving) begin(res *pipeline.Result) error {
	switch {
	case len(res.Refused) > 0:
		return errNotEnforced
	case len(res.Snapshot.Listeners) == 0:
		return errNothingToServe
	case wrongUpstreams(res.Diags):
		return errUpstream
	case len(s.gateway.engine.Listeners()) == 0:
		return errNoPort
	}
	s.serves = res.Snapshot
	return banner{res.Snapshot, s.opts.Ports, s.ca}.write(s.p.stdout)
}

// wrongUpstreams reports whether the flags are all that is wrong. Where the input
// has errors too, the service of a flag may be what they left out.
func wrongUpstreams(list diag.List) bool {
	wrong := false
	for _, d := range list {
		if d.Severity != diag.Error {
			continue
		}
		if d.Code != translate.CodeUpstream {
			return false
		}
		wrong = true
	}
	return wrong
}

func (s *serving) tellChange(res *pipeline.Result) {
	for _, key := range res.Kept {
		if !slices.Contains(s.kept, key) {
			s.log.Warn("the last good version goes on", "object", key.String())
		}
	}
	s.kept = res.Kept
	switch {
	case !res.Published:
		s.log.Error("the change is refused, what served before goes on", "reason", errNotEnforced)
	case res.Changed:
		s.log.Info("configuration applied", "version", res.Snapshot.Version,
			"changes", xds.Diff(s.serves, res.Snapshot).String(), "findings", res.Diags.Summary())
		s.serves = res.Snapshot
	}
}
