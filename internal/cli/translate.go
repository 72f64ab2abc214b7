package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/crossgate/crossgate/internal/devkit"
	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/pipeline"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/source"
	"github.com/crossgate/crossgate/internal/xds"
)

// The forms of --as.
const (
	asBootstrap  = "bootstrap"
	asConfigDump = "config_dump"
	asSnapshot   = "snapshot"
)

type translateFlags struct {
	input          inputFlags
	listen         listenFlags
	as             string
	output, keyDir string
	adminAddress   string
}

func (p *program) translateCommand() *cobra.Command {
	var f translateFlags
	cmd := &cobra.Command{
		Use:   "translate PATH...",
		Short: "Print the Envoy configuration that serve would run",
		Long: `translate reads files and directories (- is standard input) as serve does and
prints the Envoy configuration it makes of them:

  bootstrap    a file that a stock Envoy runs, with all resources in it
  config_dump  what Envoy's /config_dump would show; istioctl reads it
  snapshot     the resources alone

Certificates and private keys of a bootstrap go to files in --key-dir, private
keys readable by their owner only. What is wrong with the input goes to standard
error, and the exit code is 1 if something was left out for an error.`,
		Example: `  crossgate translate config/ --as bootstrap --port-offset 100 -o envoy.json
  envoy -c envoy.json

  crossgate translate config/ --as config_dump | istioctl proxy-config routes -f -`,
		Args: cobra.MinimumNArgs(1),
		RunE: run(func(_ context.Context, paths []string) error { return p.translate(paths, f) }),
	}
	fs := cmd.Flags()
	f.input.register(fs)
	f.listen.register(fs)
	fs.StringVar(&f.as, "as", asSnapshot, "what to print: bootstrap, config_dump or snapshot")
	fs.StringVarP(&f.output, "output", "o", "", "`file` to write instead of standard output")
	fs.StringVar(&f.keyDir, "key-dir", "", "`folder` for the certificates and keys of a bootstrap (default: that of --output, or the current one)")
	fs.StringVar(&f.adminAddress, "admin-address", defaultAdmin, "`address` of the bootstrap's admin interface, before --port-offset")
	completeWith(cmd, "as", asBootstrap, asConfigDump, asSnapshot)
	return cmd
}

func (p *program) translate(paths []string, f translateFlags) error {
	opts, err := f.input.options()
	if err != nil {
		return err
	}
	opts.Translate.RunsAllFilters = true
	render, err := f.renderer()
	if err != nil {
		return err
	}
	if _, err := f.listen.apply(&opts); err != nil {
		return err
	}
	res, err := p.build(paths, opts, f.input.parse())
	if err != nil {
		return err
	}
	if f.as != asBootstrap {
		// A bootstrap has the line that lifts the limit.
		if err := p.printDiagnostics(res.Snapshot.LargeRegexes()); err != nil {
			return err
		}
	}
	out, err := render(res.Snapshot)
	if err != nil {
		return err
	}
	if err := p.writeOutput(f.output, out); err != nil {
		return err
	}
	if len(res.Snapshot.Listeners) == 0 && res.Diags.HasErrors() {
		return errNothingToServe
	}
	return nil
}

// build makes the snapshot of the paths and prints what is wrong with them to
// standard error.
func (p *program) build(paths []string, opts pipeline.Options, parse resource.ParseOptions) (*pipeline.Result, error) {
	res := pipeline.NewBuilder(opts).Build(source.Load(paths, p.stdin, parse))
	if err := p.printDiagnostics(res.Diags); err != nil {
		return nil, err
	}
	if len(res.Refused) > 0 {
		return nil, errNotEnforced
	}
	return res, nil
}

// printDiagnostics prints findings to standard error.
func (p *program) printDiagnostics(list diag.List) error {
	printer, err := newPrinter(p.stderr, outputText, colorAuto)
	if err != nil {
		return err
	}
	return printer.print(list)
}

func (p *program) writeOutput(file string, out []byte) error {
	if file != "" {
		return devkit.ReplaceFile(file, out, 0o644)
	}
	_, err := p.stdout.Write(out)
	return err
}

// renderer returns the function that renders a snapshot as asked for.
func (f *translateFlags) renderer() (func(*xds.Snapshot) ([]byte, error), error) {
	switch f.as {
	case asSnapshot:
		return (*xds.Snapshot).Render, nil
	case asConfigDump:
		return func(s *xds.Snapshot) ([]byte, error) {
			return s.ConfigDump(xds.DumpOptions{Endpoints: true, Updated: time.Now(), Bootstrap: f.input.bootstrap()})
		}, nil
	case asBootstrap:
		admin, err := parseAddress("admin-address", f.adminAddress, f.listen.ports)
		if err != nil {
			return nil, err
		}
		return func(s *xds.Snapshot) ([]byte, error) {
			return s.WriteBootstrap(xds.BootstrapOptions{
				Ports:       f.listen.ports,
				AdminHost:   admin.host,
				AdminPort:   admin.port,
				NodeID:      f.input.nodeID(),
				NodeCluster: f.input.node.Name,
				NodeMeta:    nodeMetadata(f.input.node),
				WriteFile:   f.writeFile,
				SystemRoots: systemRoots(),
			})
		}, nil
	}
	return nil, usagef("--as %s: want %s, %s or %s", f.as, asBootstrap, asConfigDump, asSnapshot)
}

// systemRoots is the file of the authorities that this system trusts, where Istio's
// agent looks for it (pkg/security of Istio); empty if there is none.
func systemRoots() string {
	for _, path := range []string{
		"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/ssl/ca-bundle.pem",
		"/etc/pki/tls/cacert.pem",
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
		"/etc/ssl/cert.pem",
	} {
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

// writeFile stores a certificate or key beside the bootstrap. The path is
// absolute: Envoy may be started in another folder.
func (f *translateFlags) writeFile(name string, pem []byte, private bool) (string, error) {
	dir := f.keyDir
	if dir == "" && f.output != "" {
		dir = filepath.Dir(f.output)
	}
	path, err := filepath.Abs(filepath.Join(cmp.Or(dir, "."), filepath.Base(name)))
	if err != nil {
		return "", err
	}
	mode := devkit.ModePublic
	if private {
		mode = devkit.ModePrivate
	}
	if err := devkit.ReplaceFile(path, pem, mode); err != nil {
		return "", fmt.Errorf("certificate file: %w", err)
	}
	return path, nil
}
