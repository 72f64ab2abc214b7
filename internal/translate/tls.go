package translate

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"
	networking "istio.io/api/networking/v1alpha3"
	corev1 "k8s.io/api/core/v1"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/xds"
)

const socketTLS = "envoy.transport_sockets.tls"

// credential finds and checks the certificate of an HTTPS server, adds it to
// the snapshot and returns its name there.
func (t *translator) credential(s *server) (string, bool) {
	path := s.path("tls.credentialName")
	r, name := t.findSecret(s)
	if r == nil {
		t.report(diag.Error, CodeReference, s.gateway, path,
			"there is no Secret %s in namespace %s (the gateway's), so the server is left out", secretName(s), t.node.Namespace)
		return "", false
	}
	if _, ok := t.out.Origins[xds.SecretKey(name)]; ok {
		return name, true
	}
	cert, key, err := t.keyPair(r)
	if err != nil {
		t.diags = append(t.diags, diag.Diagnostic{
			Pos: position(s.gateway, path), Severity: diag.Error, Code: CodeCredential,
			Object: s.gateway.Key.String(), Path: path,
			Message: fmt.Sprintf("%s: %v; the server is left out", r.Key, err),
			Related: []diag.Related{{Pos: r.Pos, Message: r.Key.String()}},
		})
		return "", false
	}
	t.out.Secrets = append(t.out.Secrets, &tlsv3.Secret{
		Name: name,
		Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
			CertificateChain: &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: cert}},
			PrivateKey:       &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: key}},
		}},
	})
	t.out.Origins[xds.SecretKey(name)] = r.Pos
	return name, true
}

func secretName(s *server) string {
	return strings.TrimPrefix(s.spec.GetTls().GetCredentialName(), "kubernetes://")
}

// findSecret returns the Secret of a server and its name in the snapshot. Istio
// takes Secrets from the namespace of the gateway's workload. On a laptop it
// often lies beside the Gateway; that is accepted and said, under the kind of
// name by which Istio itself refers to another namespace.
func (t *translator) findSecret(s *server) (*resource.Resource, string) {
	name := secretName(s)
	if r := t.set.Get(resource.Key{Kind: "Secret", Namespace: t.node.Namespace, Name: name}); r != nil {
		return r, "kubernetes://" + name
	}
	r := t.set.Get(resource.Key{Kind: "Secret", Namespace: s.gateway.Namespace, Name: name})
	if r == nil {
		return nil, ""
	}
	t.report(diag.Info, CodeForeignSecret, s.gateway, s.path("tls.credentialName"),
		"the Secret is taken from namespace %s; Istio looks in %s, the gateway's", r.Namespace, t.node.Namespace)
	return r, "kubernetes-gateway://" + r.Namespace + "/" + name
}

// keyPair returns the PEM of a Secret's certificate and key once it is sure
// that they can serve: they parse, belong together and are valid now.
func (t *translator) keyPair(r *resource.Resource) (cert, key []byte, err error) {
	secret, ok := r.Spec.(*corev1.Secret)
	if !ok {
		return nil, nil, errors.New("not a Secret")
	}
	if cert = secretValue(secret, "tls.crt", "cert"); len(cert) == 0 {
		return nil, nil, errors.New("no tls.crt")
	}
	if key = secretValue(secret, "tls.key", "key"); len(key) == 0 {
		return nil, nil, errors.New("no tls.key")
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, nil, err
	}
	leaf := pair.Leaf
	if leaf == nil {
		if leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return nil, nil, err
		}
	}
	switch {
	case t.now.IsZero():
	case t.now.After(leaf.NotAfter):
		return nil, nil, fmt.Errorf("the certificate expired on %s", leaf.NotAfter.Format(time.DateTime))
	case t.now.Before(leaf.NotBefore):
		return nil, nil, fmt.Errorf("the certificate is not valid before %s", leaf.NotBefore.Format(time.DateTime))
	}
	return cert, key, nil
}

// secretValue returns the first of the named values. stringData is what people
// write by hand and goes before data, as on a real API server.
func secretValue(s *corev1.Secret, names ...string) []byte {
	for _, n := range names {
		if v := cmp.Or(s.StringData[n], string(s.Data[n])); v != "" {
			return []byte(v)
		}
	}
	return nil
}

var tlsVersions = map[networking.ServerTLSSettings_TLSProtocol]tlsv3.TlsParameters_TlsProtocol{
	networking.ServerTLSSettings_TLSV1_0: tlsv3.TlsParameters_TLSv1_0,
	networking.ServerTLSSettings_TLSV1_1: tlsv3.TlsParameters_TLSv1_1,
	networking.ServerTLSSettings_TLSV1_2: tlsv3.TlsParameters_TLSv1_2,
	networking.ServerTLSSettings_TLSV1_3: tlsv3.TlsParameters_TLSv1_3,
}

// downstreamTLS makes the TLS settings of an HTTPS server; nil if it cannot be
// made.
func (t *translator) downstreamTLS(s *server, secret string) *corev3.TransportSocket {
	in := s.spec.GetTls()
	ctx := &tlsv3.DownstreamTlsContext{
		RequireClientCertificate: wrapperspb.Bool(false),
		CommonTlsContext: &tlsv3.CommonTlsContext{
			AlpnProtocols: []string{"h2", "http/1.1"},
			TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{{
				Name: secret,
				SdsConfig: &corev3.ConfigSource{
					ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
					ResourceApiVersion:    corev3.ApiVersion_V3,
				},
			}},
		},
	}
	minimum, maximum := tlsVersions[in.GetMinProtocolVersion()], tlsVersions[in.GetMaxProtocolVersion()]
	if minimum != 0 || maximum != 0 || len(in.GetCipherSuites()) > 0 {
		ctx.CommonTlsContext.TlsParams = &tlsv3.TlsParameters{
			TlsMinimumProtocolVersion: minimum,
			TlsMaximumProtocolVersion: maximum,
			CipherSuites:              in.GetCipherSuites(),
		}
	}
	a := t.pack(s.gateway, s.path("tls"), ctx)
	if a == nil {
		return nil
	}
	return &corev3.TransportSocket{Name: socketTLS, ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: a}}
}
