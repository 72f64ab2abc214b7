package translate

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	corev1 "k8s.io/api/core/v1"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/xds"
)

// The schemes of credential names: a Secret of the workload's namespace or of a
// named one, and what Istio's agent or an SDS server of the user's would bring.
const (
	schemeSecret  = "kubernetes://"
	schemeGateway = "kubernetes-gateway://"
	schemeServer  = "sds://"
	schemeMesh    = "builtin://"
)

// caSuffix is put behind the name of a credential for the authority that
// verifies its peers.
const caSuffix = "-cacert"

// secretUser is the field that names a credential.
type secretUser struct {
	*resource.Resource
	path string
	// failure is what follows when the credential cannot be used.
	failure string
}

// keyPairSecret adds the certificate and key of a credential to the snapshot and
// returns its name there, and whether it can be used.
func (t *translator) keyPairSecret(u secretUser, credential string) (string, bool) {
	return t.secret(u, credential, "", func(r *resource.Resource, name string) (*tlsv3.Secret, error) {
		cert, key, err := t.keyPair(r)
		if err != nil {
			return nil, err
		}
		return &tlsv3.Secret{Name: name, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
			CertificateChain: inlineBytes(cert), PrivateKey: inlineBytes(key),
		}}}, nil
	})
}

// authoritySecret adds the authority of a credential to the snapshot: ca.crt of
// the Secret NAME-cacert or, where there is none, of the Secret itself.
func (t *translator) authoritySecret(u secretUser, credential string) (string, bool) {
	return t.secret(u, credential, caSuffix, readAuthority)
}

// namedAuthority is authoritySecret for a Secret that is there for that alone.
func (t *translator) namedAuthority(u secretUser, credential string) (string, bool) {
	return t.secret(u, credential, "", readAuthority)
}

func readAuthority(r *resource.Resource, name string) (*tlsv3.Secret, error) {
	v, err := authorityOf(r)
	if err != nil {
		return nil, err
	}
	return &tlsv3.Secret{Name: name, Type: &tlsv3.Secret_ValidationContext{ValidationContext: v}}, nil
}

// secret adds a part of a Secret to the snapshot.
func (t *translator) secret(u secretUser, credential, suffix string, read func(*resource.Resource, string) (*tlsv3.Secret, error)) (string, bool) {
	r, name := t.findSecret(u, credential, suffix)
	if r == nil {
		t.reportOnce(diag.Error, CodeReference, u.Resource, u.path,
			"there is no Secret %s in namespace %s (the gateway's): %s", bareName(credential), t.node.Namespace, u.failure)
		return name, false
	}
	if _, ok := t.out.Origins[xds.SecretKey(name)]; ok {
		return name, true
	}
	s, err := read(r, name)
	if err != nil {
		t.tell(diag.Diagnostic{
			Pos: u.Resource.Position(u.path), Severity: diag.Error, Code: CodeCredential,
			Object: u.Key.String(), Path: u.path,
			Message: fmt.Sprintf("%s: %v; %s", r.Key, err, u.failure),
			Related: []diag.Related{{Pos: r.Pos, Message: r.Key.String()}},
		})
		return name, false
	}
	t.addSecret(s, r.Pos)
	return name, true
}

func (t *translator) addSecret(s *tlsv3.Secret, pos diag.Pos) {
	t.out.Secrets = append(t.out.Secrets, s)
	t.out.Origins[xds.SecretKey(s.GetName())] = pos
}

// bareName is the name of a credential without its scheme.
func bareName(credential string) string {
	for _, scheme := range []string{schemeSecret, schemeGateway, schemeServer} {
		if name, ok := strings.CutPrefix(credential, scheme); ok {
			return name
		}
	}
	return credential
}

// resourceName is the name of a credential in the snapshot as istiod gives it.
func resourceName(credential string) string {
	if strings.HasPrefix(credential, schemeGateway) {
		return credential
	}
	return schemeSecret + bareName(credential)
}

// findSecret returns the Secret of a credential and its name in the snapshot.
// Istio takes Secrets from the namespace of the gateway's workload. On a laptop
// it often lies beside the object that names it; that is accepted and said, under
// the kind of name by which Istio itself refers to another namespace.
func (t *translator) findSecret(u secretUser, credential, suffix string) (*resource.Resource, string) {
	name := bareName(credential)
	namespace := t.node.Namespace
	if ns, short, ok := strings.Cut(name, "/"); ok {
		namespace, name = ns, short
	}
	if r := t.secretOr(namespace, name, suffix); r != nil {
		return r, resourceName(credential) + suffix
	}
	r := t.secretOr(u.Namespace, name, suffix)
	if r == nil || namespace != t.node.Namespace {
		return nil, resourceName(credential) + suffix
	}
	if _, said := t.out.Origins[xds.SecretKey(schemeGateway+r.Namespace+"/"+name+suffix)]; !said && suffix == "" {
		t.report(diag.Info, CodeForeignSecret, u.Resource, u.path,
			"the Secret is taken from namespace %s; Istio looks in %s, the gateway's", r.Namespace, t.node.Namespace)
	}
	return r, schemeGateway + r.Namespace + "/" + name + suffix
}

// secretOr returns the Secret NAME-SUFFIX or else NAME.
func (t *translator) secretOr(namespace, name, suffix string) *resource.Resource {
	if r := t.set.Get(resource.Key{Kind: "Secret", Namespace: namespace, Name: name + suffix}); r != nil {
		return r
	}
	return t.set.Get(resource.Key{Kind: "Secret", Namespace: namespace, Name: strings.TrimSuffix(name, suffix)})
}

// authorityOf returns the certificates that a Secret trusts, and its revocation
// list.
func authorityOf(r *resource.Resource) (*tlsv3.CertificateValidationContext, error) {
	secret, ok := r.Spec.(*corev1.Secret)
	if !ok {
		return nil, errors.New("not a Secret")
	}
	roots := secretValue(secret, "cacert", "ca.crt")
	if len(roots) == 0 {
		return nil, errors.New("no ca.crt")
	}
	if err := certificates(roots); err != nil {
		return nil, fmt.Errorf("ca.crt: %w", err)
	}
	out := &tlsv3.CertificateValidationContext{TrustedCa: inlineBytes(roots)}
	if crl := secretValue(secret, "crl", "ca.crl"); len(crl) > 0 {
		out.Crl = inlineBytes(crl)
	}
	return out, nil
}

// certificates reports whether a text is certificates in PEM.
func certificates(text []byte) error {
	found := false
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return err
		}
		found = true
	}
	if !found {
		return errors.New("no certificate in PEM")
	}
	return nil
}

// systemRoots is Istio's word for the authorities that the system trusts.
const systemRoots = "system"

// fileAuthority adds an authority from a file of the gateway to the snapshot, by
// the name under which Istio's agent serves it.
func (t *translator) fileAuthority(path string) string {
	name := "file-root:" + path
	v := &tlsv3.CertificateValidationContext{TrustedCa: fileSource(path)}
	if path == systemRoots {
		v = &tlsv3.CertificateValidationContext{SystemRootCerts: &tlsv3.CertificateValidationContext_SystemRootCerts{}}
	}
	if _, ok := t.out.Origins[xds.SecretKey(name)]; !ok {
		t.addSecret(&tlsv3.Secret{Name: name, Type: &tlsv3.Secret_ValidationContext{ValidationContext: v}}, diag.Pos{File: path})
	}
	return name
}

// fileKeyPair adds a certificate and key from files of the gateway.
func (t *translator) fileKeyPair(cert, key string) string {
	name := "file-cert:" + cert + "~" + key
	if _, ok := t.out.Origins[xds.SecretKey(name)]; !ok {
		t.addSecret(&tlsv3.Secret{Name: name, Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
			CertificateChain: fileSource(cert), PrivateKey: fileSource(key),
		}}}, diag.Pos{File: cert})
	}
	return name
}

func inlineBytes(b []byte) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: b}}
}

func fileSource(path string) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: path}}
}

// snapshotSecret refers to a secret that comes over the stream of the resource
// that names it.
func snapshotSecret(name string) *tlsv3.SdsSecretConfig {
	return &tlsv3.SdsSecretConfig{Name: name, SdsConfig: &corev3.ConfigSource{
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
		ResourceApiVersion:    corev3.ApiVersion_V3,
	}}
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
