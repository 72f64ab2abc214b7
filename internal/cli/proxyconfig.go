package cli

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/crossgate/crossgate/internal/proxyconfig"
)

// outputShort is the form for people, istioctl's word for it.
const outputShort = "short"

func (p *program) proxyConfigCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "proxy-config",
		Aliases: []string{"pc"},
		Short:   "Show the configuration of a proxy, as istioctl proxy-config does",
		Long: `proxy-config shows what a proxy runs: listeners, routes, clusters, endpoints,
secrets and bootstrap, in istioctl's tables or as Envoy's messages. It takes them

  from the instance on this machine    without an argument, or with the name of
                                       one as for istioctl, such as
                                       deploy/istio-ingressgateway -n istio-system
  from a config_dump                   with --file (- is standard input)
  from configuration files             with their paths: what serve would run`,
		Example: `  crossgate proxy-config routes deploy/istio-ingressgateway -n istio-system
  crossgate pc listeners config/ --port 443 -o json
  curl -s localhost:15000/config_dump | crossgate pc clusters -f -

  # The CORS policies of the HTTPS listener, and where they were written
  crossgate proxy-config routes -o json | jq '.[] | select(.name == "https.443.https") | .virtualHosts[].cors'`,
		// Without this a misspelt subcommand prints the help and succeeds.
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		p.listenersCommand(), p.routesCommand(), p.clustersCommand(), p.endpointsCommand(),
		p.secretCommand(), p.bootstrapCommand(), p.allCommand(), p.edsCommand(),
	)
	return cmd
}

// view is the part of a proxy-config command that all of them share.
type view struct {
	p       *program
	sources viewFlags
	output  string
}

// command makes a subcommand. Show prints what load returns.
func (v *view) command(use, short, output string, aliases []string, show func(*viewed) error) *cobra.Command {
	cmd := &cobra.Command{
		Use:     use + " [[KIND/]NAME[.NAMESPACE] | PATH...]",
		Aliases: aliases,
		Short:   short,
	}
	cmd.RunE = run(func(ctx context.Context, args []string) error {
		switch v.output {
		case outputShort, string(proxyconfig.JSON), string(proxyconfig.YAML):
		default:
			return usagef("--output %s: want json, yaml or short", v.output)
		}
		loaded, err := v.load(ctx, args, cmd.Flags().Changed("namespace"))
		if err != nil {
			return err
		}
		return show(loaded)
	})
	fs := cmd.Flags()
	fs.StringVarP(&v.output, "output", "o", output, "output format: json, yaml or short")
	completeWith(cmd, "output", string(proxyconfig.JSON), string(proxyconfig.YAML), outputShort)
	v.sources.register(fs)
	return cmd
}

func (p *program) listenersCommand() *cobra.Command {
	v := &view{p: p}
	var f proxyconfig.ListenerFilter
	var verbose bool
	cmd := v.command("listeners", "Show listeners and where their filter chains lead", outputShort, []string{"listener", "l"}, func(loaded *viewed) error {
		list, err := loaded.dump.Listeners(f)
		if err != nil {
			return err
		}
		if v.output == outputShort {
			return v.table(proxyconfig.ListenerTable(list, proxyconfig.TableOptions{Verbose: verbose}))
		}
		return v.render(proxyconfig.RenderList(proxyconfig.Format(v.output), proxyconfig.Messages(list)))
	})
	fs := cmd.Flags()
	fs.StringVar(&f.Address, "address", "", "only listeners with this `address`")
	fs.Uint32Var(&f.Port, "port", 0, "only listeners with this `port`")
	fs.StringVar(&f.Type, "type", "", "only listeners of this `type`: HTTP, TCP, HTTP+TCP or UNKNOWN")
	fs.BoolVar(&verbose, "verbose", true, "show matches and destinations")
	return cmd
}

func (p *program) routesCommand() *cobra.Command {
	v := &view{p: p}
	var f proxyconfig.RouteFilter
	var verbose bool
	cmd := v.command("routes", "Show virtual hosts and routes, and with -o json their CORS policies", outputShort, []string{"route", "r"}, func(loaded *viewed) error {
		all, err := loaded.dump.Routes(proxyconfig.RouteFilter{})
		if err != nil {
			return err
		}
		list, err := loaded.dump.Routes(f)
		if err != nil {
			return err
		}
		switch v.output {
		case outputShort:
			return v.table(proxyconfig.RouteTable(list, proxyconfig.TableOptions{Verbose: verbose}))
		case string(proxyconfig.YAML):
			return v.render(proxyconfig.RenderList(proxyconfig.YAML, proxyconfig.Messages(list)))
		}
		aliases, err := proxyconfig.Aliases(all, f, loaded.positions)
		if err != nil {
			return err
		}
		return v.render(proxyconfig.RenderList(proxyconfig.JSON, proxyconfig.Messages(list), aliases...))
	})
	fs := cmd.Flags()
	fs.StringVar(&f.Name, "name", "", "only the route configuration with this `name`")
	fs.BoolVar(&verbose, "verbose", true, "show a line for each route")
	return cmd
}

func (p *program) clustersCommand() *cobra.Command {
	v := &view{p: p}
	var f proxyconfig.ClusterFilter
	cmd := v.command("clusters", "Show clusters", outputShort, []string{"cluster", "c"}, func(loaded *viewed) error {
		list, err := loaded.dump.Clusters(f)
		if err != nil {
			return err
		}
		if v.output == outputShort {
			return v.table(proxyconfig.ClusterTable(list, proxyconfig.TableOptions{}))
		}
		return v.render(proxyconfig.RenderList(proxyconfig.Format(v.output), proxyconfig.Messages(list)))
	})
	fs := cmd.Flags()
	fs.StringVar(&f.FQDN, "fqdn", "", "only clusters with this `text` in the service's name")
	fs.StringVar(&f.Direction, "direction", "", "only clusters of this `direction`: outbound or inbound")
	fs.StringVar(&f.Subset, "subset", "", "only clusters with this `text` in the subset")
	fs.IntVar(&f.Port, "port", 0, "only clusters of this service `port`")
	return cmd
}

func endpointFlags(cmd *cobra.Command, f *proxyconfig.EndpointFilter) {
	fs := cmd.Flags()
	fs.StringVar(&f.Address, "address", "", "only endpoints with this `address`")
	fs.Uint32Var(&f.Port, "port", 0, "only endpoints with this `port`")
	fs.StringVar(&f.Cluster, "cluster", "", "only endpoints of the cluster with this `name`")
	fs.StringVar(&f.Status, "status", "", "only endpoints of this `health`: healthy, unhealthy, …")
}

func (p *program) endpointsCommand() *cobra.Command {
	v := &view{p: p}
	v.sources.endpoints = true
	var f proxyconfig.EndpointFilter
	cmd := v.command("endpoints", "Show endpoints and their health", outputShort, []string{"endpoint", "ep"}, func(loaded *viewed) error {
		if v.output == outputShort {
			return v.table(proxyconfig.EndpointTable(loaded.endpoints, f))
		}
		return v.render(proxyconfig.RenderList(proxyconfig.Format(v.output), proxyconfig.Messages(proxyconfig.SelectEndpoints(loaded.endpoints, f))))
	})
	endpointFlags(cmd, &f)
	return cmd
}

func (p *program) edsCommand() *cobra.Command {
	v := &view{p: p}
	var f proxyconfig.EndpointFilter
	cmd := v.command("eds", "Show endpoints as they were configured", outputShort, nil, func(loaded *viewed) error {
		list, err := loaded.dump.Assignments(f)
		if err != nil {
			return err
		}
		if v.output == outputShort {
			return v.table(proxyconfig.AssignmentTable(list, proxyconfig.TableOptions{}))
		}
		return v.render(proxyconfig.RenderList(proxyconfig.Format(v.output), proxyconfig.Messages(list)))
	})
	// As in istioctl: the same as endpoints for most, and more for developers.
	cmd.Hidden = true
	endpointFlags(cmd, &f)
	return cmd
}

func (p *program) secretCommand() *cobra.Command {
	v := &view{p: p}
	return v.command("secret", "Show certificates; private keys are never shown", outputShort, []string{"secrets", "s"}, func(loaded *viewed) error {
		if v.output == outputShort {
			return v.secrets(loaded, proxyconfig.TableOptions{})
		}
		dump, err := loaded.dump.Secrets()
		if err != nil {
			return err
		}
		return v.render(proxyconfig.Render(proxyconfig.Format(v.output), dump))
	})
}

func (v *view) secrets(loaded *viewed, o proxyconfig.TableOptions) error {
	dump, err := loaded.dump.Secrets()
	if err != nil {
		return err
	}
	if !proxyconfig.HasSecrets(dump) {
		_, err := fmt.Fprintln(v.p.stdout, "No active or warming secrets found.")
		return err
	}
	t, err := proxyconfig.SecretTable(dump, time.Now(), o)
	if err != nil {
		return err
	}
	return v.table(t)
}

func (p *program) bootstrapCommand() *cobra.Command {
	v := &view{p: p}
	return v.command("bootstrap", "Show the bootstrap", string(proxyconfig.JSON), []string{"b"}, func(loaded *viewed) error {
		dump, err := loaded.dump.Bootstrap()
		if err != nil {
			return err
		}
		if v.output == outputShort {
			return v.table(proxyconfig.BootstrapTable(dump))
		}
		return v.render(proxyconfig.Render(proxyconfig.Format(v.output), dump))
	})
}

func (v *view) table(t proxyconfig.Table) error {
	w := tabwriter.NewWriter(v.p.stdout, 0, 8, t.Gap, ' ', 0)
	if len(t.Columns) > 0 {
		fmt.Fprintln(w, strings.Join(t.Columns, "\t"))
	}
	for _, row := range t.Rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

func (v *view) render(out []byte, err error) error {
	if err == nil {
		_, err = v.p.stdout.Write(out)
	}
	return err
}
