package devkit

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	caKeyFile  = "ca.key"
	caCertFile = "ca.crt"

	caLifetime = 10 * 365 * 24 * time.Hour
	// clockSkew is how far a certificate's life begins in the past, for
	// clients whose clock is behind.
	clockSkew = time.Hour

	pemCertificate = "CERTIFICATE"
	pemKey         = "PRIVATE KEY"
)

// CA is a certificate authority of one user of one machine. It signs leaf
// certificates for development; nothing trusts it unless told to.
//
// Its folder holds ca.key (the key and its certificate, mode 0600), ca.crt (the
// certificate alone, for clients) and one file per leaf. Key and certificate of
// a pair are one file, so that processes which start at the same time can never
// see a pair that does not belong together. A CA is safe for concurrent use.
type CA struct {
	dir  string
	now  func() time.Time
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	der  []byte

	mu     sync.Mutex
	leaves map[string]*Leaf
}

// DefaultDir returns the folder of the user's CA: crossgate below the user's
// configuration folder ($XDG_CONFIG_HOME or ~/.config on Linux).
func DefaultDir() (string, error) {
	base, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("no folder for development certificates: %w", err)
	}
	return filepath.Join(base, "crossgate"), nil
}

// OpenCA opens the CA in the folder dir and creates both if they are missing.
func OpenCA(dir string) (*CA, error) { return openCA(dir, time.Now) }

func openCA(dir string, now func() time.Time) (*CA, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("folder for development certificates: %w", err)
	}
	ca := &CA{dir: dir, now: now, leaves: map[string]*Leaf{}}
	if err := ca.load(); errors.Is(err, os.ErrNotExist) {
		if err := ca.create(); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	if left := ca.cert.NotAfter.Sub(now()); left <= 0 {
		return nil, fmt.Errorf("development CA %s ended on %s: remove the file and the next start makes a new one",
			filepath.Join(dir, caKeyFile), ca.cert.NotAfter.Format(time.DateOnly))
	}
	return ca, ca.publish()
}

// CertFile returns the path of the CA's certificate: what curl takes as
// --cacert.
func (c *CA) CertFile() string { return filepath.Join(c.dir, caCertFile) }

// CertPEM returns the CA's certificate.
func (c *CA) CertPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: c.der})
}

func (c *CA) load() error {
	pair, err := readPair(filepath.Join(c.dir, caKeyFile))
	if err != nil {
		return err
	}
	if !pair.cert.IsCA {
		return fmt.Errorf("%s: not the certificate of a CA", filepath.Join(c.dir, caKeyFile))
	}
	c.cert, c.key, c.der = pair.cert, pair.key, pair.cert.Raw
	return nil
}

func (c *CA) create() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("development CA: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "this machine"
	}
	tmpl := &x509.Certificate{
		SerialNumber:          newSerial(),
		Subject:               pkix.Name{Organization: []string{"crossgate development CA"}, CommonName: truncate("crossgate on "+host, maxCommonName)},
		NotBefore:             c.now().Add(-clockSkew),
		NotAfter:              c.now().Add(caLifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return fmt.Errorf("development CA: %w", err)
	}
	data, err := encodePair(key, der)
	if err != nil {
		return err
	}
	// Another process may have been faster; then its CA is the one.
	if err := createFile(filepath.Join(c.dir, caKeyFile), data, ModePrivate); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("development CA: %w", err)
	}
	return c.load()
}

// publish writes ca.crt, which follows from ca.key, where it is missing or
// belongs to a former CA.
func (c *CA) publish() error {
	want := c.CertPEM()
	if have, err := os.ReadFile(c.CertFile()); err == nil && bytes.Equal(have, want) {
		return nil
	}
	if err := ReplaceFile(c.CertFile(), want, ModePublic); err != nil {
		return fmt.Errorf("certificate of the development CA: %w", err)
	}
	return nil
}

// newSerial returns a serial number of 127 random bits: positive and, as RFC
// 5280 4.1.2.2 asks, at most 20 octets.
func newSerial() *big.Int {
	var b [16]byte
	rand.Read(b[:]) //nolint:errcheck // never fails since Go 1.24
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b[:])
}

// maxCommonName is ub-common-name of RFC 5280, appendix A.1.
const maxCommonName = 64

func truncate(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}
