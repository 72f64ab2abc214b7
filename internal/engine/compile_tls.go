package engine

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"github.com/crossgate/crossgate/internal/xds"
)

// compileTLS makes the server side of TLS. What would ask clients for more than
// is checked here is refused, never dropped.
func (c *compiler) compileTLS(ts *corev3.TransportSocket) (*tls.Config, error) {
	ctx := &tlsv3.DownstreamTlsContext{}
	if !ts.GetTypedConfig().MessageIs(ctx) {
		return nil, fmt.Errorf("%q is not supported", ts.GetName())
	}
	if err := ts.GetTypedConfig().UnmarshalTo(ctx); err != nil {
		return nil, err
	}
	if err := unsupported(ctx); err != nil {
		return nil, err
	}
	common := ctx.GetCommonTlsContext()
	cfg := &tls.Config{DynamicRecordSizingDisabled: true, MinVersion: tls.VersionTLS12}
	if err := tlsVersions(cfg, common.GetTlsParams()); err != nil {
		return nil, err
	}
	var err error
	if cfg.Certificates, err = c.keyPairs(common); err != nil {
		return nil, err
	}
	if len(cfg.Certificates) == 0 {
		return nil, errors.New("no certificate")
	}
	cfg.NextProtos = common.GetAlpnProtocols()
	cfg.SessionTicketsDisabled = ctx.GetDisableStatelessSessionResumption()
	keepTickets(cfg)
	if err := c.clientCertificates(cfg, ctx); err != nil {
		return nil, err
	}
	return cfg, nil
}

// keepTickets lets clients resume sessions: the keys of tickets are those of the filter
// chain, where crypto/tls would take those of each connection's own configuration. They
// change every day, and with the configuration.
func keepTickets(cfg *tls.Config) {
	keys := &tls.Config{}
	cfg.WrapSession, cfg.UnwrapSession = keys.EncryptTicket, keys.DecryptTicket
}

// keyPairs are the certificates that a TLS context shows the other side.
func (c *compiler) keyPairs(common *tlsv3.CommonTlsContext) ([]tls.Certificate, error) {
	certs := slices.Clone(common.GetTlsCertificates())
	for _, sds := range common.GetTlsCertificateSdsSecretConfigs() {
		sec := c.secrets[sds.GetName()]
		if sec.GetTlsCertificate() == nil {
			return nil, errNoSecret{"certificate", sds.GetName()}
		}
		if err := unsupported(sec.GetTlsCertificate()); err != nil {
			return nil, prefixed("secret "+sds.GetName(), err)
		}
		certs = append(certs, sec.GetTlsCertificate())
	}
	var out []tls.Certificate
	for _, cert := range certs {
		pair, err := c.pairs.read(cert)
		if err != nil {
			return nil, err
		}
		out = append(out, pair)
	}
	return out, nil
}

// clientCertificates makes the handshake ask for the client's certificate and
// check it as the context says. One that is given is checked even if none is
// required; and where names or hashes are listed, one is required in any case, as
// with Envoy: who shows none is not on the list.
func (c *compiler) clientCertificates(cfg *tls.Config, ctx *tlsv3.DownstreamTlsContext) error {
	vc, err := c.validationContext(ctx.GetCommonTlsContext())
	if err != nil {
		return err
	}
	v, err := compileValidation(vc)
	if err != nil {
		return fmt.Errorf("validation_context: %w", err)
	}
	required := ctx.GetRequireClientCertificate().GetValue()
	switch {
	case v == nil && !required:
		return nil
	case v == nil:
		// Envoy takes this for a wish and asks nobody for a certificate.
		return errors.New("require_client_certificate without a validation context")
	case required || v.listed():
		cfg.ClientAuth = tls.RequireAnyClientCert
	default:
		cfg.ClientAuth = tls.RequestClientCert
	}
	cfg.ClientCAs = v.roots // named to the client, which then knows what to send
	cfg.VerifyConnection = func(s tls.ConnectionState) error {
		// Also for resumed sessions, which VerifyPeerCertificate does not see.
		return v.verify(s.PeerCertificates, x509.ExtKeyUsageClientAuth)
	}
	return nil
}

func tlsVersions(cfg *tls.Config, p *tlsv3.TlsParameters) error {
	versions := map[tlsv3.TlsParameters_TlsProtocol]uint16{
		tlsv3.TlsParameters_TLSv1_2: tls.VersionTLS12,
		tlsv3.TlsParameters_TLSv1_3: tls.VersionTLS13,
	}
	if lo := p.GetTlsMinimumProtocolVersion(); lo != tlsv3.TlsParameters_TLS_AUTO {
		v, ok := versions[lo]
		if !ok {
			return fmt.Errorf("tls_params: %s is not supported", lo)
		}
		cfg.MinVersion = v
	}
	if hi := p.GetTlsMaximumProtocolVersion(); hi != tlsv3.TlsParameters_TLS_AUTO {
		v, ok := versions[hi]
		if !ok {
			return fmt.Errorf("tls_params: %s is not supported", hi)
		}
		cfg.MaxVersion = v
	}
	return nil
}

func dataSource(d *corev3.DataSource) ([]byte, error) {
	switch s := d.GetSpecifier().(type) {
	case *corev3.DataSource_Filename:
		return xds.ReadFile(s.Filename, xds.MaxPEM)
	case *corev3.DataSource_InlineBytes:
		return s.InlineBytes, nil
	case *corev3.DataSource_InlineString:
		return []byte(s.InlineString), nil
	case *corev3.DataSource_EnvironmentVariable:
		return []byte(os.Getenv(s.EnvironmentVariable)), nil
	}
	return nil, errors.New("no data")
}
