package cli

import (
	"fmt"
	"maps"
	"net"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"github.com/spf13/pflag"

	"github.com/crossgate/crossgate/internal/devkit"
	"github.com/crossgate/crossgate/internal/pipeline"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/translate"
	"github.com/crossgate/crossgate/internal/xds"
)

// inputFlags say how input files are understood. Every command that reads
// files has them, so that all see the same objects and the same gateway.
type inputFlags struct {
	namespace       string
	node            translate.Node
	upstreams       []string
	allowUnenforced bool
	profile         profileFlags
}

func (f *inputFlags) register(fs *pflag.FlagSet) {
	f.node = translate.DefaultNode()
	fs.StringVarP(&f.namespace, "namespace", "n", "default", "`namespace` of objects that name none")
	fs.StringVar(&f.node.Name, "node-name", f.node.Name, "`name` of the gateway's workload")
	fs.StringVar(&f.node.Namespace, "node-namespace", f.node.Namespace, "`namespace` of the gateway's workload; Secrets of its certificates are looked up there")
	fs.StringToStringVar(&f.node.Labels, "node-label", maps.Clone(f.node.Labels), "label `key=value` of the gateway's workload, matched by the selector of a Gateway; may be repeated, and replaces the default ones")
	fs.StringArrayVar(&f.upstreams, "upstream", nil, "`HOST[:PORT]=ADDR:PORT` where a service really is; may be repeated")
	fs.BoolVar(&f.allowUnenforced, "allow-unenforced", false, "serve although the input asks for protection that is not built yet")
	f.profile.register(fs)
}

// options returns what the flags mean, or what is wrong with them.
func (f *inputFlags) options() (pipeline.Options, error) {
	o := pipeline.Options{
		AllowUnenforced: f.allowUnenforced,
		Translate:       translate.Options{Node: f.node, SynthesizeGateways: true},
	}
	if f.namespace == "" {
		return o, usagef("--namespace: must not be empty")
	}
	var err error
	if o.Profile, err = f.profile.profile(); err != nil {
		return o, err
	}
	type service struct {
		host string
		port uint32
	}
	seen := make(map[service]string)
	for _, s := range f.upstreams {
		u, err := translate.ParseUpstream(s)
		if err != nil {
			return o, usageError{fmt.Errorf("--upstream: %w", err)}
		}
		key := service{u.Host, u.Port}
		if first, ok := seen[key]; ok {
			return o, usagef("--upstream %s: %s is given already", s, first)
		}
		seen[key] = s
		o.Translate.Upstreams = append(o.Translate.Upstreams, u)
	}
	return o, nil
}

// bootstrap returns the part of a proxy's bootstrap that says who it is.
func (f *inputFlags) bootstrap() *bootstrapv3.Bootstrap {
	return &bootstrapv3.Bootstrap{Node: &corev3.Node{Id: f.nodeID(), Cluster: f.node.Name, Metadata: nodeMetadata(f.node)}}
}

func (f *inputFlags) nodeID() string { return f.node.Name + "." + f.node.Namespace }

func (f *inputFlags) parse() resource.ParseOptions {
	return resource.ParseOptions{DefaultNamespace: f.namespace}
}

// listenFlags say where a gateway listens and with which certificates.
type listenFlags struct {
	ports    xds.Ports
	devCerts bool
}

func (f *listenFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.ports.Bind, "bind", "127.0.0.1", "`address` to listen on")
	fs.IntVar(&f.ports.Offset, "port-offset", 0, "`number` to add to every port, those of the console included")
	fs.BoolVar(&f.ports.Privileged, "privileged-ports", false, "listen on ports below 1024 as written, instead of 80 on 8080, 443 on 8443 and others 8000 higher")
	fs.BoolVar(&f.devCerts, "dev-certs", false, "make the certificates that are not in the input, from a certificate authority of this user")
}

// apply completes the options of a pipeline. The CA is nil without --dev-certs.
func (f *listenFlags) apply(o *pipeline.Options) (*devkit.CA, error) {
	if net.ParseIP(f.ports.Bind) == nil {
		return nil, usagef("--bind %s: want an IP address", f.ports.Bind)
	}
	if f.ports.Offset < -65535 || f.ports.Offset > 65535 {
		return nil, usagef("--port-offset %d: no port would be left", f.ports.Offset)
	}
	o.Ports = f.ports
	if !f.devCerts {
		return nil, nil
	}
	dir, err := devkit.DefaultDir()
	if err != nil {
		return nil, err
	}
	ca, err := devkit.OpenCA(dir)
	if err != nil {
		return nil, err
	}
	o.DevCertificates = ca
	return ca, nil
}
