package square

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/crossgate/crossgate/test/authority"
)

// tlsService is a service behind TLS, or one that should be.
type tlsService struct {
	name string
	port int
}

// tlsServices are the services of the tests: each has its own certificate,
// versions, protocols or manners.
func tlsServices(t *testing.T, ca, other *authority.Authority) []tlsService {
	t.Helper()
	var out []tlsService
	add := func(name string, cfg *tls.Config) { out = append(out, tlsService{name, serveTLS(t, cfg)}) }
	leaf := func(names ...string) *x509.Certificate {
		return &x509.Certificate{Subject: pkix.Name{CommonName: "service"}, DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1).To4()}}
	}
	with := func(c ...tls.Certificate) *tls.Config { return &tls.Config{Certificates: c} }
	good := ca.Issue(leaf("server.test", "*.wild.test", "w*d.part.test"))

	add("good", with(good))
	rich := leaf("server.test", "other.test")
	rich.Subject.Organization, rich.Subject.Country = []string{`Acme, "Inc."`}, []string{"DE"}
	spiffe, _ := url.Parse("spiffe://cluster.local/ns/a/sa/b")
	rich.URIs, rich.EmailAddresses = []*url.URL{spiffe, {Scheme: "https", Host: "u.test", Path: "/;,"}}, []string{"a@b.test"}
	rich.IPAddresses = append(rich.IPAddresses, net.ParseIP("2001:db8::1"))
	add("many names", with(ca.Issue(rich)))
	add(lineBreak, with(ca.Issue(leaf("server.test", "x\r\nx-admin: 1", "a b"))))
	add("another authority", with(other.Issue(leaf("server.test"))))
	self := authority.New(t, "self").Issue(leaf("server.test"))
	add("signed by nobody known", with(self))
	add("signed by itself", with(authority.None(t).Issue(leaf("server.test"))))
	add("for clients only", with(ca.Issue(&x509.Certificate{DNSNames: []string{"server.test"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})))
	add("without names", with(ca.Issue(&x509.Certificate{Subject: pkix.Name{CommonName: "server.test"}})))
	add("expired", with(ca.IssueFor(leaf("server.test"), -2*time.Hour, -time.Hour)))
	add("not yet valid", with(ca.IssueFor(leaf("server.test"), time.Hour, 2*time.Hour)))
	middle := ca.Intermediate("middle")
	below := middle.Issue(leaf("server.test"))
	add("without its intermediate", with(below))
	whole := below
	whole.Certificate = append(whole.Certificate, middle.Cert.Raw)
	add("with its intermediate", with(whole))

	only := func(v uint16) *tls.Config { c := with(good); c.MinVersion, c.MaxVersion = v, v; return c }
	add("TLS 1.2", only(tls.VersionTLS12))
	add("TLS 1.3", only(tls.VersionTLS13))
	cbc := only(tls.VersionTLS12)
	cbc.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
	add("an old cipher", cbc)

	pool := x509.NewCertPool()
	pool.AddCert(ca.Cert)
	asks := func(how tls.ClientAuthType, v uint16) *tls.Config {
		c := only(v)
		c.ClientAuth, c.ClientCAs = how, pool
		return c
	}
	add("requires a certificate", asks(tls.RequireAndVerifyClientCert, tls.VersionTLS12))
	add("requires a certificate, TLS 1.3", asks(tls.RequireAndVerifyClientCert, tls.VersionTLS13))
	add("asks for a certificate", asks(tls.VerifyClientCertIfGiven, tls.VersionTLS12))

	protocols := func(p ...string) *tls.Config { c := with(good); c.NextProtos = p; return c }
	add("both protocols", protocols("h2", "http/1.1"))
	add("HTTP/2", protocols("h2"))
	add("HTTP/1.1", protocols("http/1.1"))

	out = append(out, tlsService{"in the clear", oldService(t)}, tlsService{"hangs up", hangsUp(t)}, tlsService{"nobody", freePort()})
	return out
}

// lineBreak is the service whose certificate has a name that would be a header.
const lineBreak = "a line break in a name"

// serveTLS serves what the handshake has shown.
func serveTLS(t *testing.T, cfg *tls.Config) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetHTTP2(strings.Contains(strings.Join(cfg.NextProtos, " "), "h2"))
	srv := &http.Server{
		Handler: http.HandlerFunc(answerTLS), TLSConfig: cfg, Protocols: &p,
		ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0),
	}
	// What the protocols are is the configuration's alone: net/http adds its own.
	handshakes := tls.NewListener(ln, cfg)
	go func() { _ = srv.Serve(handshakes) }()
	t.Cleanup(func() { _ = srv.Close() })
	return ln.Addr().(*net.TCPAddr).Port
}

func answerTLS(w http.ResponseWriter, r *http.Request) {
	s := r.TLS
	client := "none"
	if len(s.PeerCertificates) > 0 {
		client = s.PeerCertificates[0].Subject.CommonName
	}
	w.Header()["Date"] = nil
	w.Header().Set("x-got", fmt.Sprintf("%s %s, %s, server name %q, ALPN %q, client certificate %s", r.Proto, r.Host, tls.VersionName(s.Version), s.ServerName, s.NegotiatedProtocol, client))
}

// hangsUp is a service that ends every connection after the first bytes.
func hangsUp(t *testing.T) int {
	return rawService(t, func(c net.Conn) {
		_, _ = io.ReadAtLeast(c, make([]byte, 64<<10), 64)
		_ = c.Close()
	})
}
