package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/crossgate/crossgate/internal/console"
	"github.com/crossgate/crossgate/internal/engine"
	"github.com/crossgate/crossgate/internal/xds"
)

var errBootstrap = errors.New("the bootstrap cannot be run, for the reasons above")

type proxyFlags struct {
	config    string
	log       logFlags
	accessLog bool
	drain     time.Duration
}

func (p *program) proxyCommand() *cobra.Command {
	var f proxyFlags
	cmd := &cobra.Command{
		Use:   "proxy -c FILE",
		Short: "Run an Envoy bootstrap",
		Long: `proxy runs the static resources of an Envoy bootstrap (JSON or YAML) as Envoy
would: on the addresses and with the admin interface that the file names. What
it cannot run is refused with the place in the file, before a port is opened.`,
		Example: `  crossgate proxy -c envoy.yaml
  crossgate translate config/ --as bootstrap -o envoy.json && crossgate proxy -c envoy.json`,
		Args: cobra.NoArgs,
		RunE: run(func(ctx context.Context, _ []string) error { return p.proxy(ctx, f) }),
	}
	fs := cmd.Flags()
	fs.StringVarP(&f.config, "config-path", "c", "", "bootstrap `file`, JSON or YAML")
	cmd.MarkFlagRequired("config-path") //nolint:errcheck // the flag is there
	fs.BoolVar(&f.accessLog, "access-log", false, "log every request to standard output where the bootstrap configures no log")
	f.log.register(cmd)
	drainFlag(cmd, &f.drain)
	return cmd
}

func (p *program) proxy(ctx context.Context, f proxyFlags) error {
	levels, err := f.log.levels(p.stderr)
	if err != nil {
		return err
	}
	log := levels.named(logConfig)
	findings, err := f.log.newDiagnosticLog(log, p.stderr)
	if err != nil {
		return err
	}
	snapshot, err := p.loadBootstrap(f.config, findings)
	if err != nil {
		return err
	}
	g := p.newGateway(levels, f.drain, engine.Options{Workload: workloadOf(snapshot.Bootstrap.GetNode())}, f.accessLog)
	g.configPath = f.config
	sites, err := bootstrapSites(snapshot, g.console())
	if err != nil {
		return err
	}
	return g.run(ctx, sites, func(ctx context.Context) error {
		diags := g.Publish(snapshot)
		findings.tell(diags)
		if diags.HasErrors() {
			return errBootstrap
		}
		for _, l := range g.engine.Listeners() {
			log.Info("listening", "listener", l.Name, "address", l.Addr)
		}
		<-ctx.Done()
		return nil
	})
}

// loadBootstrap reads a bootstrap that the engine can run as a whole.
func (p *program) loadBootstrap(file string, findings *diagnosticLog) (*xds.Snapshot, error) {
	data, err := readLimited(file)
	if err != nil {
		return nil, err
	}
	snapshot, diags := xds.LoadBootstrap(file, data)
	if snapshot != nil {
		_, cannot := engine.Compile(snapshot)
		diags = append(diags, cannot...)
	}
	diags.Sort()
	findings.tell(diags)
	if snapshot == nil || diags.HasErrors() {
		return nil, errBootstrap
	}
	return snapshot, nil
}

// bootstrapSites opens the admin interface where the bootstrap wants one.
func bootstrapSites(s *xds.Snapshot, o console.Options) ([]site, error) {
	sock := s.Bootstrap.GetAdmin().GetAddress().GetSocketAddress()
	if sock == nil {
		return nil, nil
	}
	ln, err := listen(context.Background(), "tcp", xds.AddressText(sock))
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	return []site{{name: "admin", ln: ln, h: console.Guard(console.Admin(o))}}, nil
}
