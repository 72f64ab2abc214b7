package devkit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	leafLifetime = 90 * 24 * time.Hour
	// renewBefore is how long before its end a leaf is replaced.
	renewBefore = 30 * 24 * time.Hour
	// maxHosts bounds the names of one certificate: TLS libraries refuse
	// handshakes that grow beyond some hundred kilobytes.
	maxHosts = 500
)

// Leaf is a certificate with its key, in the form a kubernetes.io/tls Secret
// has them.
type Leaf struct {
	// CertPEM is the leaf's certificate followed by that of the CA.
	CertPEM []byte
	// KeyPEM is the private key, PKCS #8.
	KeyPEM []byte
	// Hosts are the names and addresses it is good for, sorted.
	Hosts []string

	notAfter time.Time
}

// Leaf returns a certificate for hosts and, always, for localhost, 127.0.0.1
// and ::1. A host is a DNS name, a wildcard such as *.example.com, or an IP
// address; the host * and names that no certificate can carry are left out and
// returned as skipped. Equal hosts give the same certificate, also after a
// restart, until it is within 30 days of its end.
func (c *CA) Leaf(hosts []string) (leaf *Leaf, skipped []string, err error) {
	names, skipped := certificateNames(hosts)
	if len(names) > maxHosts {
		return nil, nil, fmt.Errorf("development certificate for %d hosts: the limit is %d", len(names), maxHosts)
	}
	id := leafID(names)

	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.leaves[id]; l != nil && c.fresh(l.notAfter) {
		return l, skipped, nil
	}
	pair, err := c.storedLeaf(id, names)
	if err != nil {
		return nil, nil, err
	}
	l, err := c.leafOf(pair, names)
	if err != nil {
		return nil, nil, err
	}
	c.leaves[id] = l
	return l, skipped, nil
}

// storedLeaf returns the leaf from its file, or makes it.
func (c *CA) storedLeaf(id string, names []string) (*pair, error) {
	path := filepath.Join(c.dir, "leaf-"+id+".pem")
	have, err := readPair(path)
	switch {
	case err == nil && c.fresh(have.cert.NotAfter) && have.cert.CheckSignatureFrom(c.cert) == nil:
		return have, nil
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return nil, err
	}
	missing := err != nil
	data, err := c.sign(names)
	if err != nil {
		return nil, err
	}
	if missing {
		// Of several processes that start together one wins, and the others
		// read what it wrote.
		err = createFile(path, data, ModePrivate)
		if errors.Is(err, os.ErrExist) {
			err = nil
		}
	} else {
		err = ReplaceFile(path, data, ModePrivate)
	}
	if err != nil {
		return nil, fmt.Errorf("development certificate: %w", err)
	}
	return readPair(path)
}

func (c *CA) fresh(notAfter time.Time) bool { return notAfter.Sub(c.now()) > renewBefore }

func (c *CA) sign(names []string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("development certificate: %w", err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: newSerial(),
		Subject:      pkix.Name{Organization: []string{"crossgate development certificate"}},
		NotBefore:    c.now().Add(-clockSkew),
		NotAfter:     c.now().Add(leafLifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, c.cert, &key.PublicKey, c.key)
	if err != nil {
		return nil, fmt.Errorf("development certificate: %w", err)
	}
	return encodePair(key, der)
}

func (c *CA) leafOf(p *pair, names []string) (*Leaf, error) {
	key, err := x509.MarshalPKCS8PrivateKey(p.key)
	if err != nil {
		return nil, fmt.Errorf("development certificate: %w", err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: p.cert.Raw})
	return &Leaf{
		CertPEM:  append(cert, c.CertPEM()...),
		KeyPEM:   pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: key}),
		Hosts:    names,
		notAfter: p.cert.NotAfter,
	}, nil
}

// certificateNames returns the sorted names for a certificate and, of hosts,
// those that cannot be one.
func certificateNames(hosts []string) (names, skipped []string) {
	names = []string{"127.0.0.1", "::1", "localhost"}
	for _, h := range hosts {
		n := strings.ToLower(strings.TrimSuffix(h, "."))
		if ip := net.ParseIP(n); ip != nil {
			names = append(names, ip.String())
		} else if isDNSName(strings.TrimPrefix(n, "*.")) {
			names = append(names, n)
		} else {
			skipped = append(skipped, h)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), skipped
}

// isDNSName reports whether n is a host name as certificates carry it: labels
// of letters, digits, hyphens and (seen in the wild) underscores.
func isDNSName(n string) bool {
	if n == "" || len(n) > 253 {
		return false
	}
	for label := range strings.SplitSeq(n, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.IndexFunc(label, notInLabel) >= 0 {
			return false
		}
	}
	return true
}

func notInLabel(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

func leafID(names []string) string {
	sum := sha256.Sum256([]byte(strings.Join(names, "\n")))
	return hex.EncodeToString(sum[:8])
}
