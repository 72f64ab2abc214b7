package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/crossgate/crossgate/internal/proxyconfig"
)

// allFlags are the filters of all sections together. One --port and --address
// select listeners, clusters and endpoints.
type allFlags struct {
	address                 string
	port                    uint32
	listenerType, route     string
	fqdn, direction, subset string
	verbose, headers        bool
}

func (p *program) allCommand() *cobra.Command {
	v := &view{p: p}
	var f allFlags
	cmd := v.command("all", "Show everything", outputShort, []string{"a"}, func(loaded *viewed) error {
		if v.output != outputShort {
			return v.render(proxyconfig.RenderDump(proxyconfig.Format(v.output), loaded.raw))
		}
		return v.all(loaded, f)
	})
	fs := cmd.Flags()
	fs.StringVar(&f.address, "address", "", "only listeners and endpoints with this `address`")
	fs.Uint32Var(&f.port, "port", 0, "only listeners, clusters and endpoints with this `port`")
	fs.StringVar(&f.listenerType, "type", "", "only listeners of this `type`")
	fs.StringVar(&f.route, "name", "", "only the route configuration with this `name`")
	fs.StringVar(&f.fqdn, "fqdn", "", "only clusters with this `text` in the service's name")
	fs.StringVar(&f.direction, "direction", "", "only clusters of this `direction`")
	fs.StringVar(&f.subset, "subset", "", "only clusters with this `text` in the subset")
	fs.BoolVar(&f.verbose, "verbose", true, "show matches, destinations and routes")
	fs.BoolVar(&f.headers, "with-headers", false, "print a title above each table")
	return cmd
}

// all prints istioctl's tables one after the other.
func (v *view) all(loaded *viewed, f allFlags) error {
	o := proxyconfig.TableOptions{Verbose: f.verbose, Typed: true}
	d := loaded.dump
	for i, section := range []struct {
		title string
		print func() error
	}{
		{"BOOTSTRAP INFO", func() error {
			b, err := d.Bootstrap()
			if err != nil {
				return err
			}
			return v.table(proxyconfig.BootstrapTable(b))
		}},
		{"CLUSTER INFO", func() error {
			list, err := d.Clusters(proxyconfig.ClusterFilter{FQDN: f.fqdn, Direction: f.direction, Subset: f.subset, Port: int(f.port)})
			if err != nil {
				return err
			}
			return v.table(proxyconfig.ClusterTable(list, o))
		}},
		{"LISTENER INFO", func() error {
			list, err := d.Listeners(proxyconfig.ListenerFilter{Address: f.address, Port: f.port, Type: f.listenerType})
			if err != nil {
				return err
			}
			return v.table(proxyconfig.ListenerTable(list, o))
		}},
		{"ROUTE INFO", func() error {
			list, err := d.Routes(proxyconfig.RouteFilter{Name: f.route})
			if err != nil {
				return err
			}
			return v.table(proxyconfig.RouteTable(list, o))
		}},
		{"SECRET INFO", func() error { return v.secrets(loaded, o) }},
		{"ENDPOINTS INFO", func() error {
			list, err := d.Assignments(proxyconfig.EndpointFilter{Address: f.address, Port: f.port})
			if err != nil {
				return err
			}
			return v.table(proxyconfig.AssignmentTable(list, o))
		}},
	} {
		if i > 0 {
			fmt.Fprintln(v.p.stdout)
		}
		if f.headers {
			fmt.Fprintf(v.p.stdout, "------ %s ------\n\n", section.title)
		}
		if err := section.print(); err != nil {
			return err
		}
	}
	return nil
}
