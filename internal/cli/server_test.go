package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/crossgate/crossgate/internal/engine"
	"github.com/crossgate/crossgate/internal/xds"
)

func pemUntil(t *testing.T, end time.Time) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: end.Add(-time.Hour), NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// withAuthority is a snapshot that trusts the certificates in a file.
func withAuthority(t *testing.T, file string) *xds.Snapshot {
	t.Helper()
	tls, err := xds.Pack(&tlsv3.DownstreamTlsContext{CommonTlsContext: &tlsv3.CommonTlsContext{
		ValidationContextType: &tlsv3.CommonTlsContext_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
			TrustedCa: &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: file}},
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return &xds.Snapshot{Listeners: []*listenerv3.Listener{{Name: "l", FilterChains: []*listenerv3.FilterChain{{
		TransportSocket: &corev3.TransportSocket{ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: tls}},
	}}}}}
}

// TestDaysLeft: the certificates are those that were there when the configuration
// came, and the next configuration has its own.
func TestDaysLeft(t *testing.T) {
	const day = 24 * time.Hour
	file := filepath.Join(t.TempDir(), "ca.pem")
	write := func(left time.Duration) {
		if err := os.WriteFile(file, pemUntil(t, time.Now().Add(left)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g := &gateway{engine: engine.New(engine.Options{})}
	defer g.engine.Close()
	check := func(when string, want int64) {
		t.Helper()
		if got := g.daysLeft(); got != want {
			t.Errorf("%s: %d days, want %d", when, got, want)
		}
	}
	check("before there is a configuration", math.MaxUint32)
	g.Publish(&xds.Snapshot{})
	check("without certificates", math.MaxUint32)
	write(9*day + time.Hour)
	g.Publish(withAuthority(t, file))
	check("with one", 9)
	write(-day)
	check("with another file, which nobody has read", 9)
	g.Publish(withAuthority(t, file))
	check("with one that has ended", 0)
}
