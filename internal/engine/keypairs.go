package engine

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
)

// keyPairs are the certificates with their keys of a program, by the texts that they
// were read from. Parsing one costs a fraction of a millisecond, clusters and filter
// chains often have the same one, and the next program has most of them too. The texts
// are read each time, so that a file that has changed counts. A certificate that was
// parsed is never written to.
type keyPairs struct {
	before map[pairKey]tls.Certificate // of the program that is served
	now    map[pairKey]tls.Certificate
}

// pairKey is the hashes of the two texts.
type pairKey struct{ cert, key [sha256.Size]byte }

// newKeyPairs begins with what an earlier program has, which is not changed.
func newKeyPairs(before map[pairKey]tls.Certificate) *keyPairs {
	return &keyPairs{before: before, now: map[pairKey]tls.Certificate{}}
}

func (p *keyPairs) read(c *tlsv3.TlsCertificate) (tls.Certificate, error) {
	cert, err := dataSource(c.GetCertificateChain())
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate_chain: %w", err)
	}
	key, err := dataSource(c.GetPrivateKey())
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("private_key: %w", err)
	}
	id := pairKey{sha256.Sum256(cert), sha256.Sum256(key)}
	pair, ok := p.now[id]
	if !ok {
		pair, ok = p.before[id]
	}
	if !ok {
		if pair, err = tls.X509KeyPair(cert, key); err != nil {
			return tls.Certificate{}, err
		}
	}
	p.now[id] = pair
	return pair, nil
}
