package engine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
)

// TestKeyPairsAreParsedOnce, and again as soon as one of their files has changed.
func TestKeyPairsAreParsedOnce(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) *corev3.DataSource {
		return &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: filepath.Join(dir, name)}}
	}
	write := func(name, kind string, der []byte) {
		t.Helper()
		text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write509 := func(serial int64, key *ecdsa.PrivateKey) {
		t.Helper()
		c := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		write("tls.crt", "CERTIFICATE", der)
	}
	writeKey := func() *ecdsa.PrivateKey {
		t.Helper()
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		write("tls.key", "PRIVATE KEY", der)
		return key
	}
	source := &tlsv3.TlsCertificate{CertificateChain: file("tls.crt"), PrivateKey: file("tls.key")}
	read := func(p *keyPairs) tls.Certificate {
		t.Helper()
		pair, err := p.read(source)
		if err != nil {
			t.Fatal(err)
		}
		return pair
	}
	key := writeKey()
	write509(1, key)

	first := newKeyPairs(nil)
	one := read(first)
	if again := read(first); again.Leaf != one.Leaf {
		t.Error("parsed twice for one program")
	}
	second := newKeyPairs(first.now)
	if again := read(second); again.Leaf != one.Leaf {
		t.Error("parsed again for the next program")
	}
	write509(2, key)
	third := newKeyPairs(second.now)
	if now := read(third); now.Leaf.SerialNumber.Int64() != 2 {
		t.Errorf("certificate %d after the file has changed", now.Leaf.SerialNumber)
	}
	if len(third.now) != 1 {
		t.Errorf("%d pairs are kept, one is used", len(third.now))
	}
	writeKey()
	if _, err := newKeyPairs(third.now).read(source); err == nil {
		t.Error("a certificate with the key of another is taken")
	}
}
