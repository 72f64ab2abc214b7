package translate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// validFrom is when the certificates of testSecret begin; they last a day.
var validFrom = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// testSecret makes a Secret with a self-signed certificate.
func testSecret(t *testing.T, namespace, name string) *resource.Resource {
	t.Helper()
	cert, key := keyPairPEM(t)
	return &resource.Resource{
		Key: resource.Key{Kind: "Secret", Namespace: namespace, Name: name},
		Pos: diag.Pos{File: "secret.yaml", Line: 1, Col: 1},
		Spec: &corev1.Secret{
			Type: corev1.SecretTypeTLS,
			Data: map[string][]byte{"tls.crt": cert, "tls.key": key},
		},
	}
}

func keyPairPEM(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "api.example.com"},
		DNSNames:     []string{"api.example.com"},
		NotBefore:    validFrom,
		NotAfter:     validFrom.Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}
