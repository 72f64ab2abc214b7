package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	"github.com/spf13/pflag"

	"github.com/crossgate/crossgate/internal/proxyconfig"
	"github.com/crossgate/crossgate/internal/xds"
)

// adminPort is the port of defaultAdmin, as a number for --proxy-admin-port.
const adminPort = 15000

// viewFlags say where a proxy-config command finds the configuration.
type viewFlags struct {
	input     inputFlags
	listen    listenFlags
	file      string
	adminPort int
	// endpoints: the command shows what /clusters does.
	endpoints bool
}

func (f *viewFlags) register(fs *pflag.FlagSet) {
	f.input.register(fs)
	f.listen.ports.Bind = "127.0.0.1"
	fs.Lookup("namespace").Usage = "`namespace` of the instance that is named, or of objects in files that name none"
	fs.StringVarP(&f.file, "file", "f", "", "`file` with a config_dump (endpoints: also of /clusters?format=json) instead of an instance; - is standard input")
	fs.IntVar(&f.adminPort, "proxy-admin-port", adminPort, "`port` of the instance's admin interface, before --port-offset")
	fs.IntVar(&f.listen.ports.Offset, "port-offset", 0, "the --port-offset `number` of the instance")
	fs.BoolVar(&f.listen.devCerts, "dev-certs", false, "make the certificates that are not in the files")
}

// viewed is what a command shows.
type viewed struct {
	raw  []byte // the whole dump
	dump *proxyconfig.Dump
	// positions tell where the resources were written, if that is known.
	positions map[string]string
	// endpoints are there for the command that wants them.
	endpoints []*adminv3.ClusterStatus
}

// load finds out what the arguments mean: nothing or a name is the instance on
// this machine, paths are configuration files.
func (v *view) load(ctx context.Context, args []string, namespaced bool) (*viewed, error) {
	namespace := ""
	if namespaced {
		namespace = v.sources.input.namespace
	}
	switch {
	case v.sources.file != "" && len(args) > 0:
		return nil, usagef("give a name, paths or --file, not several of them")
	case v.sources.file != "":
		return v.fromFile()
	case len(args) == 0:
		return v.fromInstance(ctx, proxyconfig.Name{})
	case len(args) == 1 && !isPath(args[0]):
		if name, ok := proxyconfig.ParseName(args[0], namespace); ok {
			return v.fromInstance(ctx, name)
		}
	}
	return v.fromPaths(args)
}

// isPath reports whether an argument is a file although it could be a name.
// KIND/NAME is a name even where there is such a folder: ./KIND/NAME is the
// folder.
func isPath(arg string) bool {
	if arg == "-" || slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(arg)) {
		return true
	}
	if filepath.Base(arg) != arg {
		return false
	}
	_, err := os.Stat(arg)
	return err == nil
}

func (v *view) fromFile() (*viewed, error) {
	data, err := v.p.readFile(v.sources.file)
	if err != nil {
		return nil, err
	}
	if v.sources.endpoints {
		list, err := proxyconfig.ParseEndpoints(data)
		return &viewed{endpoints: list}, err
	}
	return newViewed(data, nil)
}

func newViewed(data []byte, positions map[string]string) (*viewed, error) {
	d, err := proxyconfig.ParseDump(data)
	if err != nil {
		return nil, err
	}
	return &viewed{raw: data, dump: d, positions: positions}, nil
}

func (v *view) fromInstance(ctx context.Context, name proxyconfig.Name) (*viewed, error) {
	instance, err := instanceAt(v.sources.adminPort, v.sources.listen.ports.Offset)
	if err != nil {
		return nil, err
	}
	data, err := instance.ConfigDump(ctx)
	if err != nil {
		return nil, err
	}
	loaded, err := newViewed(data, nil)
	if err != nil {
		return nil, err
	}
	if name.Workload != "" {
		if err := name.Check(loaded.dump); err != nil {
			return nil, err
		}
	}
	if v.sources.endpoints {
		return loaded, v.instanceEndpoints(ctx, instance, loaded)
	}
	loaded.positions, err = instance.Positions(ctx)
	return loaded, err
}

func (v *view) instanceEndpoints(ctx context.Context, in proxyconfig.Instance, loaded *viewed) error {
	data, err := in.Clusters(ctx)
	if err != nil {
		return err
	}
	if data != nil {
		loaded.endpoints, err = proxyconfig.ParseEndpoints(data)
		return err
	}
	loaded.endpoints, err = loaded.dump.Endpoints()
	return err
}

func (v *view) fromPaths(paths []string) (*viewed, error) {
	opts, err := v.sources.input.options()
	if err != nil {
		return nil, err
	}
	if _, err := v.sources.listen.apply(&opts); err != nil {
		return nil, err
	}
	res, err := v.p.build(paths, opts, v.sources.input.parse())
	if err != nil {
		return nil, err
	}
	if len(res.Snapshot.Listeners) == 0 && res.Diags.HasErrors() {
		return nil, errNothingToServe
	}
	data, err := res.Snapshot.ConfigDump(xds.DumpOptions{Endpoints: true, Updated: time.Now(), Bootstrap: v.sources.input.bootstrap()})
	if err != nil {
		return nil, err
	}
	loaded, err := newViewed(data, proxyconfig.Positions(res.Snapshot))
	if err == nil && v.sources.endpoints {
		loaded.endpoints, err = loaded.dump.Endpoints()
	}
	return loaded, err
}

// readFile reads a file, or standard input for -.
func (p *program) readFile(path string) ([]byte, error) {
	if path != "-" {
		return readLimited(path)
	}
	data, err := io.ReadAll(io.LimitReader(p.stdin, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = errors.New("standard input is too large")
	}
	return data, err
}
