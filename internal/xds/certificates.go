package xds

import (
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"time"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Certificates returns what Envoy's /certs tells: for every TLS context of the
// listeners and clusters its certificates and the first of the authorities that it
// trusts, without keys. What cannot be read is left out.
func (s *Snapshot) Certificates(now time.Time) *adminv3.Certificates {
	out := &adminv3.Certificates{}
	add := func(ts *corev3.TransportSocket) {
		if common := commonTLS(ts); common != nil {
			out.Certificates = append(out.Certificates, s.certificate(common, now))
		}
	}
	for _, l := range s.Listeners {
		for _, fc := range FilterChains(l) {
			add(fc.GetTransportSocket())
		}
	}
	for _, c := range s.Clusters {
		add(c.GetTransportSocket())
		for _, m := range c.GetTransportSocketMatches() {
			add(m.GetTransportSocket())
		}
	}
	return out
}

func commonTLS(ts *corev3.TransportSocket) *tlsv3.CommonTlsContext {
	down, up := new(tlsv3.DownstreamTlsContext), new(tlsv3.UpstreamTlsContext)
	var m proto.Message
	switch typed := ts.GetTypedConfig(); {
	case typed.MessageIs(down):
		m = down
	case typed.MessageIs(up):
		m = up
	default:
		return nil
	}
	if ts.GetTypedConfig().UnmarshalTo(m) != nil {
		return nil
	}
	if m == down {
		return down.GetCommonTlsContext()
	}
	return up.GetCommonTlsContext()
}

func (s *Snapshot) certificate(common *tlsv3.CommonTlsContext, now time.Time) *adminv3.Certificate {
	out := &adminv3.Certificate{}
	chains := common.GetTlsCertificates()
	for _, ref := range common.GetTlsCertificateSdsSecretConfigs() {
		chains = append(chains[:len(chains):len(chains)], s.secret(ref.GetName()).GetTlsCertificate())
	}
	for _, c := range chains {
		if d := certificateDetails(c.GetCertificateChain(), now); d != nil {
			out.CertChain = append(out.CertChain, d)
		}
	}
	trusted := []*tlsv3.CertificateValidationContext{
		common.GetValidationContext(),
		common.GetCombinedValidationContext().GetDefaultValidationContext(),
		s.secret(common.GetValidationContextSdsSecretConfig().GetName()).GetValidationContext(),
		s.secret(common.GetCombinedValidationContext().GetValidationContextSdsSecretConfig().GetName()).GetValidationContext(),
	}
	for _, v := range trusted {
		if d := certificateDetails(v.GetTrustedCa(), now); d != nil {
			out.CaCert = append(out.CaCert, d)
		}
	}
	return out
}

func (s *Snapshot) secret(name string) *tlsv3.Secret {
	for _, sec := range s.Secrets {
		if sec.GetName() == name {
			return sec
		}
	}
	return nil
}

// certificateDetails describes the first certificate of a source; nil if it has none.
func certificateDetails(d *corev3.DataSource, now time.Time) *adminv3.CertificateDetails {
	data, path := d.GetInlineBytes(), "<inline>"
	switch {
	case d.GetInlineString() != "":
		data = []byte(d.GetInlineString())
	case d.GetFilename() != "":
		path = d.GetFilename()
		var err error
		if data, err = ReadFile(path, MaxPEM); err != nil {
			return nil
		}
	}
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return nil
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil
		}
		return describeCertificate(cert, path, now)
	}
}

func describeCertificate(cert *x509.Certificate, path string, now time.Time) *adminv3.CertificateDetails {
	out := &adminv3.CertificateDetails{
		Path:                path,
		SerialNumber:        hex.EncodeToString(cert.SerialNumber.Bytes()),
		DaysUntilExpiration: uint64(max(cert.NotAfter.Sub(now), 0) / (24 * time.Hour)),
		ValidFrom:           timestamppb.New(cert.NotBefore),
		ExpirationTime:      timestamppb.New(cert.NotAfter),
	}
	for _, n := range cert.DNSNames {
		out.SubjectAltNames = append(out.SubjectAltNames, &adminv3.SubjectAlternateName{Name: &adminv3.SubjectAlternateName_Dns{Dns: n}})
	}
	for _, u := range cert.URIs {
		out.SubjectAltNames = append(out.SubjectAltNames, &adminv3.SubjectAlternateName{Name: &adminv3.SubjectAlternateName_Uri{Uri: u.String()}})
	}
	for _, ip := range cert.IPAddresses {
		out.SubjectAltNames = append(out.SubjectAltNames, &adminv3.SubjectAlternateName{Name: &adminv3.SubjectAlternateName_IpAddress{IpAddress: ip.String()}})
	}
	return out
}
