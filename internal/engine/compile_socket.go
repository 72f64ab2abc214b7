package engine

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	rawbufferv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/raw_buffer/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/crossgate/crossgate/internal/upstream"
	"github.com/crossgate/crossgate/internal/xds"
)

// clusterSockets are the sockets of a cluster: one for endpoints of certain
// metadata each, and one for all others.
type clusterSockets struct {
	source  *clusterv3.Cluster
	matches []socketMatch
	rest    *clientSocket // nil: in the clear
}

type socketMatch struct {
	label map[string]*structpb.Value
	sock  *clientSocket // nil: in the clear
	wrong error         // what is to be said when an endpoint has it; nil: nothing
}

// errNoSecret is a reference to a secret that is not in the snapshot.
type errNoSecret struct{ kind, name string }

func (e errNoSecret) Error() string {
	return fmt.Sprintf("there is no %s with the name %q", e.kind, e.name)
}

// compileSockets makes the sockets of a cluster. An error takes the cluster along;
// what concerns only some endpoints or can be mended from outside (a secret that is
// not there) fails the connections instead, as in Envoy, and is reported.
func (c *compiler) compileSockets(cl *clusterv3.Cluster) (*clusterSockets, error) {
	out := &clusterSockets{source: cl}
	options := httpOptions(cl)
	old := c.before[cl.GetName()].of(cl)
	var err error
	if out.rest, err = c.compileSocket(cl.GetTransportSocket(), options); err != nil {
		return nil, prefixed("transport_socket", err)
	}
	if out.rest != nil && out.rest.broken != nil {
		err = out.rest.broken
		if old != nil && old.rest.works() {
			out.rest = old.rest
		}
		c.report(xds.ClusterKey(cl.GetName()), "cluster "+cl.GetName(), out.rest.explain("transport_socket", err))
	}
	for i, m := range cl.GetTransportSocketMatches() {
		one := socketMatch{label: m.GetMatch().GetFields()}
		if one.sock, err = c.compileSocket(m.GetTransportSocket(), options); err != nil {
			one.sock = &clientSocket{broken: err}
		}
		if one.sock != nil && one.sock.broken != nil {
			err = one.sock.broken
			if old != nil && old.matches[i].sock.works() {
				one.sock = old.matches[i].sock
			}
			one.wrong = one.sock.explain(fmt.Sprintf("transport_socket_matches[%d]", i), err)
		}
		out.matches = append(out.matches, one)
	}
	return out, nil
}

// of returns the sockets if they are those of an equal cluster, as it was before a
// secret changed: Envoy keeps a secret until there is another one.
func (s *clusterSockets) of(cl *clusterv3.Cluster) *clusterSockets {
	if s == nil || !proto.Equal(s.source.GetTransportSocket(), cl.GetTransportSocket()) ||
		!slices.EqualFunc(s.source.GetTransportSocketMatches(), cl.GetTransportSocketMatches(), sameMatch) ||
		!proto.Equal(httpOptions(s.source), httpOptions(cl)) {
		return nil
	}
	return s
}

func sameMatch(a, b *clusterv3.Cluster_TransportSocketMatch) bool { return proto.Equal(a, b) }

func (s *clientSocket) works() bool { return s != nil && s.broken == nil }

// explain says what becomes of connections after err.
func (s *clientSocket) explain(path string, err error) error {
	if s.broken == nil {
		return fmt.Errorf("%w: the last good one stays in use", prefixed(path, err))
	}
	return fmt.Errorf("%w: connections fail, requests are answered 503", prefixed(path, err))
}

// choose is upstream.Sockets over the sockets of all clusters. Envoy looks at the
// endpoint's metadata and takes the first match (TransportSocketMatcherImpl::resolve).
func (c *compiler) choose(cl *clusterv3.Cluster, e *endpointv3.LbEndpoint) (upstream.Socket, int) {
	all := c.sockets[cl.GetName()]
	meta := e.GetMetadata().GetFilterMetadata()[socketMetadata].GetFields()
	for i := range all.matches {
		m := &all.matches[i]
		if !labelled(m.label, meta) {
			continue
		}
		if m.sock == nil {
			return nil, i + 1
		}
		if m.wrong != nil {
			c.report(xds.ClusterKey(cl.GetName()), "cluster "+cl.GetName(), m.wrong)
			m.wrong = nil
		}
		return m.sock, i + 1
	}
	if all.rest == nil {
		return nil, 0
	}
	return all.rest, 0
}

// socketMetadata is where an endpoint carries what sockets are chosen by.
const socketMetadata = "envoy.transport_socket_match"

// labelled reports whether metadata has all values of a label.
func labelled(label, meta map[string]*structpb.Value) bool {
	for name, want := range label {
		if have := meta[name]; have == nil || !proto.Equal(have, want) {
			return false
		}
	}
	return true
}

// httpOptions are the HTTP options of a cluster; empty if it has none.
func httpOptions(cl *clusterv3.Cluster) *httpv3.HttpProtocolOptions {
	out, _ := upstream.ProtocolOptions(cl) // checkCluster reports what is wrong
	return out
}

// compileSocket compiles one transport socket; nil is one in the clear.
func (c *compiler) compileSocket(ts *corev3.TransportSocket, o *httpv3.HttpProtocolOptions) (*clientSocket, error) {
	ctx := &tlsv3.UpstreamTlsContext{}
	switch typed := ts.GetTypedConfig(); {
	case ts == nil, typed.MessageIs(&rawbufferv3.RawBuffer{}), typed == nil && ts.GetName() == "envoy.transport_sockets.raw_buffer":
		return nil, nil
	case !typed.MessageIs(ctx):
		return nil, fmt.Errorf("%q is not supported", ts.GetName())
	default:
		if err := typed.UnmarshalTo(ctx); err != nil {
			return nil, err
		}
	}
	if err := unsupported(ctx); err != nil {
		return nil, err
	}
	s := &clientSocket{
		sni: ctx.GetSni(), hostSNI: ctx.GetAutoHostSni(), sniIsName: ctx.GetAutoSniSanValidation(),
		autoSNI: o.GetUpstreamHttpProtocolOptions().GetAutoSni(),
		autoSAN: o.GetUpstreamHttpProtocolOptions().GetAutoSanValidation(),
	}
	common := ctx.GetCommonTlsContext()
	err := c.fillSocket(s, common)
	if err != nil && usesSecrets(common) {
		return &clientSocket{broken: err}, nil
	}
	return s, err
}

// usesSecrets reports whether a part of a TLS context comes by name, and may come
// right without the cluster being changed.
func usesSecrets(common *tlsv3.CommonTlsContext) bool {
	return len(common.GetTlsCertificateSdsSecretConfigs()) > 0 || common.GetValidationContextSdsSecretConfig() != nil ||
		common.GetCombinedValidationContext().GetValidationContextSdsSecretConfig() != nil
}

func (c *compiler) fillSocket(s *clientSocket, common *tlsv3.CommonTlsContext) error {
	s.config = &tls.Config{
		DynamicRecordSizingDisabled: true,
		InsecureSkipVerify:          true, // clientSocket.verify does it, by Envoy's rules
		MinVersion:                  tls.VersionTLS12,
		MaxVersion:                  tls.VersionTLS12, // Envoy's default towards services
		CipherSuites:                clientCiphers(),
		NextProtos:                  common.GetAlpnProtocols(),
		ClientSessionCache:          tls.NewLRUClientSessionCache(sessionsKept),
	}
	if err := tlsVersions(s.config, common.GetTlsParams()); err != nil {
		return err
	}
	pairs, err := c.keyPairs(common)
	if err != nil {
		return err
	}
	// What the service says of the certificates that it would take does not matter:
	// Envoy sends what it has.
	if len(pairs) > 0 {
		s.own = pairs[0].Leaf
		s.config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pairs[0], nil }
	}
	vc, err := c.validationContext(common)
	if err != nil {
		return err
	}
	if s.validation, err = compileValidation(vc); err != nil {
		return fmt.Errorf("validation_context: %w", err)
	}
	if s.autoSAN && (s.validation == nil || s.validation.roots == nil) {
		return errors.New("auto_san_validation is worth nothing without trusted_ca") // Envoy fails every handshake
	}
	return nil
}

// sessionsKept is how many TLS sessions a socket keeps for handshakes that are
// shorter.
const sessionsKept = 64

// clientCiphers are those of TLS 1.2 that Envoy offers services; those of 1.3 are
// always the same.
func clientCiphers() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	}
}
