package xds

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	proxyprotocolv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/proxy_protocol/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// BootstrapOptions say how WriteBootstrap makes a snapshot runnable by a stock
// Envoy on this machine.
type BootstrapOptions struct {
	// Ports map the listeners' addresses.
	Ports Ports
	// AdminHost and AdminPort are the address of Envoy's admin interface; the
	// host is 127.0.0.1 if empty, a port 0 lets the system choose one.
	AdminHost string
	AdminPort uint32
	// NodeID and NodeCluster identify the proxy.
	NodeID, NodeCluster string
	// NodeMeta is what the proxy says of itself, for the labels of its metrics.
	NodeMeta *structpb.Struct
	// WriteFile stores a certificate or private key and returns the path that
	// the bootstrap refers to. The file of a private key must be readable by
	// its owner only. It is called for secrets only.
	WriteFile func(name string, pem []byte, private bool) (path string, err error)
	// SystemRoots is the file of the authorities that the system trusts. Envoy takes
	// system_root_certs for no authority at all and would verify nothing; without a
	// file the clusters that ask for them are left out.
	SystemRoots string
}

// re2SizeLimit is the runtime key without which a stock Envoy refuses regular
// expressions of a program size above 100, and with one all routes.
const re2SizeLimit = "re2.max_program_size.error_level"

// WriteBootstrap returns a self-contained Envoy bootstrap with the content of
// the snapshot, as indented JSON that is equal for equal snapshots: static
// listeners with mapped addresses and inline routes, static clusters with inline
// endpoints, certificates in files. What needs an Istio agent beside the proxy
// (the mesh certificates of tlsMode istio) is left out: nothing uses it outside a
// mesh. So are listeners without a port of their own, which Ports.Collisions
// names.
func (s *Snapshot) WriteBootstrap(o BootstrapOptions) ([]byte, error) {
	b, err := s.standalone(o)
	if err != nil {
		return nil, err
	}
	return marshalJSON(b)
}

func (s *Snapshot) standalone(o BootstrapOptions) (*bootstrapv3.Bootstrap, error) {
	b := &bootstrapv3.Bootstrap{
		Node:  &corev3.Node{Id: cmp.Or(o.NodeID, "crossgate"), Cluster: cmp.Or(o.NodeCluster, "crossgate"), Metadata: o.NodeMeta},
		Admin: &bootstrapv3.Admin{Address: SocketAddress(cmp.Or(o.AdminHost, defaultBind), o.AdminPort)},
		LayeredRuntime: &bootstrapv3.LayeredRuntime{Layers: []*bootstrapv3.RuntimeLayer{{
			Name: "crossgate",
			LayerSpecifier: &bootstrapv3.RuntimeLayer_StaticLayer{StaticLayer: &structpb.Struct{Fields: map[string]*structpb.Value{
				re2SizeLimit: structpb.NewNumberValue(math.MaxInt32),
			}}},
		}}},
		StaticResources: &bootstrapv3.Bootstrap_StaticResources{},
	}
	static := b.GetStaticResources()
	listeners, _ := o.Ports.bindable(s)
	for _, l := range listeners {
		sl, err := s.staticListener(l, o.Ports)
		if err != nil {
			return nil, err
		}
		static.Listeners = append(static.Listeners, sl)
	}
	for _, c := range s.Clusters {
		if sc := s.staticCluster(c); s.localClusterSecrets(sc, o.SystemRoots) {
			static.Clusters = append(static.Clusters, sc)
		}
	}
	for _, sec := range s.Secrets {
		ss, err := staticSecret(sec, o)
		if err != nil {
			return nil, err
		}
		static.Secrets = append(static.Secrets, ss)
	}
	return b, nil
}

// staticCluster gives a cluster its endpoints instead of a name for them.
func (s *Snapshot) staticCluster(in *clusterv3.Cluster) *clusterv3.Cluster {
	c := proto.CloneOf(in)
	if c.GetType() == clusterv3.Cluster_EDS {
		c.LoadAssignment = s.endpointsOf(c)
		c.EdsClusterConfig = nil
		kind := clusterv3.Cluster_STATIC
		if hasNames(c.GetLoadAssignment()) {
			kind = clusterv3.Cluster_STRICT_DNS
		}
		c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: kind}
	}
	kept := c.GetTransportSocketMatches()[:0]
	for _, m := range c.GetTransportSocketMatches() {
		if !needsServer(m.GetTransportSocket()) {
			kept = append(kept, m)
		}
	}
	c.TransportSocketMatches = kept
	return c
}

func (s *Snapshot) endpointsOf(c *clusterv3.Cluster) *endpointv3.ClusterLoadAssignment {
	name := cmp.Or(c.GetEdsClusterConfig().GetServiceName(), c.GetName())
	for _, e := range s.Endpoints {
		if e.GetClusterName() == name {
			e = proto.CloneOf(e)
			e.ClusterName = c.GetName()
			return e
		}
	}
	return &endpointv3.ClusterLoadAssignment{ClusterName: c.GetName()}
}

// hasNames reports whether an endpoint must be looked up in the DNS.
func hasNames(e *endpointv3.ClusterLoadAssignment) bool {
	for _, group := range e.GetEndpoints() {
		for _, lb := range group.GetLbEndpoints() {
			if _, err := netip.ParseAddr(lb.GetEndpoint().GetAddress().GetSocketAddress().GetAddress()); err != nil {
				return true
			}
		}
	}
	return false
}

// localClusterSecrets makes the secrets of a cluster those of the bootstrap. Where
// one is missing it returns false: the cluster must not be, for it would be reached
// without the protection that it asks for, or stop Envoy.
func (s *Snapshot) localClusterSecrets(c *clusterv3.Cluster, systemRoots string) bool {
	typed := c.GetTransportSocket().GetTypedConfig()
	ctx := new(tlsv3.UpstreamTlsContext)
	if !typed.MessageIs(ctx) {
		return !typed.MessageIs(&proxyprotocolv3.ProxyProtocolUpstreamTransport{})
	}
	if typed.UnmarshalTo(ctx) != nil {
		return false
	}
	common := ctx.GetCommonTlsContext()
	refs := append([]*tlsv3.SdsSecretConfig{}, common.GetTlsCertificateSdsSecretConfigs()...)
	if v := common.GetCombinedValidationContext().GetValidationContextSdsSecretConfig(); v != nil {
		refs = append(refs, v)
	}
	for _, ref := range refs {
		i := slices.IndexFunc(s.Secrets, func(have *tlsv3.Secret) bool { return have.GetName() == ref.GetName() })
		if i < 0 || systemRoots == "" && s.Secrets[i].GetValidationContext().GetSystemRootCerts() != nil {
			return false
		}
		ref.SdsConfig = nil
	}
	a, err := Pack(ctx)
	if err != nil {
		return false
	}
	typed.Value = a.GetValue()
	return true
}

// needsServer reports whether a TLS context gets its certificates from another
// server, which no bootstrap of ours names.
func needsServer(ts *corev3.TransportSocket) bool {
	ctx := new(tlsv3.UpstreamTlsContext)
	if ts.GetTypedConfig().UnmarshalTo(ctx) != nil {
		return false
	}
	common := ctx.GetCommonTlsContext()
	for _, c := range common.GetTlsCertificateSdsSecretConfigs() {
		if c.GetSdsConfig().GetApiConfigSource() != nil {
			return true
		}
	}
	return common.GetValidationContextSdsSecretConfig().GetSdsConfig().GetApiConfigSource() != nil ||
		common.GetCombinedValidationContext().GetValidationContextSdsSecretConfig().GetSdsConfig().GetApiConfigSource() != nil
}

// staticSecret refers to files instead of carrying a certificate and its key.
func staticSecret(in *tlsv3.Secret, o BootstrapOptions) (*tlsv3.Secret, error) {
	out := proto.CloneOf(in)
	if v := out.GetValidationContext(); v.GetSystemRootCerts() != nil && o.SystemRoots != "" {
		v.SystemRootCerts = nil
		v.TrustedCa = &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: o.SystemRoots}}
	}
	cert := out.GetTlsCertificate()
	for _, part := range []struct {
		source  *corev3.DataSource
		suffix  string
		private bool
	}{
		{cert.GetCertificateChain(), ".crt", false},
		{cert.GetPrivateKey(), ".key", true},
	} {
		pem := part.source.GetInlineBytes()
		if text := part.source.GetInlineString(); text != "" {
			pem = []byte(text)
		}
		if len(pem) == 0 {
			continue
		}
		if o.WriteFile == nil {
			return nil, fmt.Errorf("secret %s: nowhere to write its certificate and key", in.GetName())
		}
		path, err := o.WriteFile(fileName(in.GetName())+part.suffix, pem, part.private)
		if err != nil {
			return nil, fmt.Errorf("secret %s: %w", in.GetName(), err)
		}
		part.source.Specifier = &corev3.DataSource_Filename{Filename: path}
	}
	return out, nil
}

// fileName makes a name that is safe in every file system of the name of a
// secret (kubernetes-gateway://production/api-tls). Different names stay
// different: what is replaced is written as its code.
func fileName(name string) string {
	out := make([]byte, 0, len(name))
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.' && i > 0:
			out = append(out, c)
		default:
			out = fmt.Appendf(out, "_%02x", c)
		}
	}
	return string(out)
}
