package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// Authority issues certificates.
type Authority struct {
	// Cert is the authority's own certificate. Without one, each certificate that
	// is issued signs itself.
	Cert *x509.Certificate

	t   testing.TB
	key *ecdsa.PrivateKey
	n   int64
}

// New returns an authority whose certificate signs itself.
func New(t testing.TB, name string) *Authority {
	t.Helper()
	return (&Authority{t: t}).Intermediate(name)
}

// None returns what issues certificates that sign themselves. Their serial numbers
// begin with the time: nobody else keeps two such certificates apart.
func None(t testing.TB) *Authority { return &Authority{t: t, n: time.Now().UnixNano()} }

// Intermediate is an authority below a.
func (a *Authority) Intermediate(name string) *Authority {
	a.t.Helper()
	pair := a.Issue(&x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return &Authority{t: a.t, Cert: pair.Leaf, key: pair.PrivateKey.(*ecdsa.PrivateKey), n: a.n}
}

// Issue issues a certificate that is valid from an hour ago, for two hours.
func (a *Authority) Issue(template *x509.Certificate) tls.Certificate {
	a.t.Helper()
	return a.IssueFor(template, -time.Hour, time.Hour)
}

// IssueFor issues a certificate that is valid between two times from now. The
// template gets them, and a serial number that is new for the authority.
func (a *Authority) IssueFor(template *x509.Certificate, from, to time.Duration) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	a.n++
	template.SerialNumber = big.NewInt(a.n)
	template.NotBefore, template.NotAfter = time.Now().Add(from), time.Now().Add(to)
	parent, signer := a.Cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// PEM returns the authority's certificate in PEM.
func (a *Authority) PEM() []byte { return encode("CERTIFICATE", a.Cert.Raw) }

// PEM returns a certificate, without those above it, and its key in PEM.
func PEM(t testing.TB, c tls.Certificate) (cert, key []byte) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return encode("CERTIFICATE", c.Certificate[0]), encode("PRIVATE KEY", der)
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
