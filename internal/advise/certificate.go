package advise

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
)

// withCertificate puts one certificate, made now, in the place of all that the gateway shows: the keys of a running instance
// are not told, and who asks here does not look at names.
func withCertificate(secrets []*tlsv3.Secret) ([]*tlsv3.Secret, error) {
	own, err := ownCertificate()
	if err != nil {
		return nil, err
	}
	var out []*tlsv3.Secret
	for _, s := range secrets {
		if s.GetTlsCertificate() != nil {
			s = &tlsv3.Secret{Name: s.GetName(), Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: own}}
		}
		out = append(out, s)
	}
	return out, nil
}

func ownCertificate() (*tlsv3.TlsCertificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return &tlsv3.TlsCertificate{CertificateChain: inline("CERTIFICATE", cert), PrivateKey: inline("PRIVATE KEY", private)}, nil
}

func inline(kind string, der []byte) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})}}
}
