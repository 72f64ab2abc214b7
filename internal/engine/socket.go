package engine

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// clientSocket protects connections to services: a compiled UpstreamTlsContext.
type clientSocket struct {
	config     *tls.Config // without ServerName; NextProtos if they are configured
	validation *validation // nil: any certificate is taken, as in Envoy
	sni        string
	hostSNI    bool // auto_host_sni
	sniIsName  bool // auto_sni_san_validation
	autoSNI    bool // of the cluster's upstream_http_protocol_options
	autoSAN    bool
	own        *x509.Certificate // of the proxy, in config; nil: none
	broken     error             // why no connection can be made, such as a secret that is not there
}

// Secure implements upstream.Socket.
func (s *clientSocket) Secure(ctx context.Context, nc net.Conn, host, name string, http2 bool) (net.Conn, error) {
	if s.broken != nil {
		return nil, handshakeError{noConnectionError{s.broken}}
	}
	if s.config.MinVersion > s.config.MaxVersion {
		return nil, handshakeError{errVersions}
	}
	cfg := s.config.Clone()
	cfg.ServerName = s.serverName(host, name)
	if len(cfg.NextProtos) == 0 {
		cfg.NextProtos = spoken(http2)
	}
	own := s.sniIsName && cfg.ServerName != ""
	sent := cfg.ServerName
	answered := false
	cfg.VerifyConnection = func(state tls.ConnectionState) error {
		answered = true
		return s.verify(state.PeerCertificates, name, own, sent)
	}
	raw := &quickClose{Conn: nc}
	c := tls.Client(raw, cfg)
	if err := c.HandshakeContext(ctx); err != nil {
		if !answered {
			err = firstFlightError{err}
		}
		return nil, handshakeError{err}
	}
	return newSecuredConn(c, raw, s.own), nil
}

// spoken is what ALPN offers where nothing is configured: the one protocol that the
// connection is for, as with the fallback of Envoy's pools.
func spoken(http2 bool) []string {
	if http2 {
		return []string{alpnHTTP2}
	}
	return []string{"http/1.1"}
}

// serverName is what the handshake says of the service: by the request, the
// endpoint or the configuration, as ClientContextImpl::newSsl of Envoy has it. A
// request for an IP address says nothing.
func (s *clientSocket) serverName(host, name string) string {
	if s.autoSNI && name != "" && !isAddress(name) {
		return name
	}
	if s.hostSNI && host != "" {
		return host
	}
	return s.sni
}

func isAddress(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}

// verify checks the service's certificate: its issuer, the name that the request
// has for the service, and what the configuration lists. No certificate is for a
// request that has no name for it.
func (s *clientSocket) verify(chain []*x509.Certificate, name string, own bool, sni string) error {
	v := s.validation
	if v == nil {
		return nil
	}
	if err := v.verifyIssuer(chain, x509.ExtKeyUsageServerAuth); err != nil {
		return err
	}
	leaf := chain[0]
	if s.autoSAN && (name == "" || !carries(leaf, name)) {
		return nameError{byRequest: true, expected: name, leaf: leaf}
	}
	if own {
		if !carriesDNS(leaf, sni) {
			return nameError{leaf: leaf}
		}
		return v.checkListed(leaf)
	}
	return v.check(leaf)
}

// handshakeError is the end of a handshake that was none of the network's.
type handshakeError struct{ error }

func (e handshakeError) Unwrap() error { return e.error }

// firstFlightError is the end of a handshake before the service has shown a
// certificate.
type firstFlightError struct{ error }

func (e firstFlightError) Unwrap() error { return e.error }

// securedConn is a connection with TLS to a service.
type securedConn struct {
	*tls.Conn
	raw *quickClose
	own *x509.Certificate // that the proxy has for the service; nil: none
	// local and peer are the principals of the two sides, empty if they have none.
	local, peer string
}

// secured is the connection with TLS that requests to a service go over, nil if it
// has none.
func secured(link net.Conn) *securedConn {
	if c, ok := link.(*securedConn); ok {
		return c
	}
	// A session has its connection in a wrapper that counts.
	if w, ok := link.(interface{ NetConn() net.Conn }); ok {
		c, _ := w.NetConn().(*securedConn)
		return c
	}
	return nil
}

// principal is who a certificate says that its owner is: the first URI in it, which
// in a mesh is a SPIFFE ID (Envoy's uriSanPeerCertificate).
func principal(leaf *x509.Certificate) string {
	if leaf == nil || len(leaf.URIs) == 0 {
		return ""
	}
	return leaf.URIs[0].String()
}

func newSecuredConn(c *tls.Conn, raw *quickClose, own *x509.Certificate) *securedConn {
	out := &securedConn{Conn: c, raw: raw, own: own, local: principal(own)}
	if chain := c.ConnectionState().PeerCertificates; len(chain) > 0 {
		out.peer = principal(chain[0])
	}
	return out
}

// Close says goodbye only as far as there is room for it at once: crypto/tls would
// wait seconds for a service that does not read.
func (c *securedConn) Close() error {
	c.raw.closing.Store(true)
	return c.Conn.Close()
}

// goodbyeLimit bounds the wait for the last record of a connection.
const goodbyeLimit = 20 * time.Millisecond

// quickClose is the connection under TLS.
type quickClose struct {
	net.Conn
	closing atomic.Bool
}

// SetWriteDeadline sets the limit of writes; that of the last one is short.
func (c *quickClose) SetWriteDeadline(t time.Time) error {
	if soon := time.Now().Add(goodbyeLimit); c.closing.Load() && t.After(soon) {
		t = soon
	}
	return c.Conn.SetWriteDeadline(t)
}
