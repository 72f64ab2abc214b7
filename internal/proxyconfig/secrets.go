package proxyconfig

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strconv"
	"time"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
)

// Secrets returns the section of secrets. Private keys are not in it: who made
// the dump redacted them.
func (d *Dump) Secrets() (*adminv3.SecretsConfigDump, error) {
	dump := new(adminv3.SecretsConfigDump)
	return dump, d.require(dump)
}

// HasSecrets reports whether a table would show any; as istioctl, it does not
// show the static ones of a bootstrap.
func HasSecrets(dump *adminv3.SecretsConfigDump) bool {
	return len(dump.GetDynamicActiveSecrets())+len(dump.GetDynamicWarmingSecrets()) > 0
}

// SecretTable shows the certificates of secrets, and whether they are valid now.
func SecretTable(dump *adminv3.SecretsConfigDump, now time.Time, o TableOptions) (Table, error) {
	t := Table{
		Columns: []string{"RESOURCE NAME", "TYPE", "STATUS", "VALID CERT", "SERIAL NUMBER", "NOT AFTER", "NOT BEFORE"},
		Gap:     wideGap,
	}
	var domains []string
	for _, list := range []struct {
		state   string
		secrets []*adminv3.SecretsConfigDump_DynamicSecret
	}{
		{"WARMING", dump.GetDynamicWarmingSecrets()},
		{"ACTIVE", dump.GetDynamicActiveSecrets()},
	} {
		for _, s := range list.secrets {
			certificates, err := certificatesOf(s)
			if err != nil {
				return t, fmt.Errorf("secret %s: %w", s.GetName(), err)
			}
			name := s.GetName()
			if o.Typed {
				name = "secret/" + name
			}
			for _, c := range certificates {
				cells, domain := c.describe(now)
				t.add(append([]string{name, cells[0], list.state}, cells[1:]...)...)
				domains = append(domains, domain)
			}
		}
	}
	// Trust domains are shown where all are known.
	if len(domains) > 0 && !slices.Contains(domains, "") {
		t.Columns = append(t.Columns, "TRUST DOMAIN")
		for i := range t.Rows {
			t.Rows[i] = append(t.Rows[i], domains[i])
		}
	}
	return t, nil
}

// certificate is one row: PEM, and the trust domain it is for, where that is
// said.
type certificate struct {
	pem         []byte
	trustDomain string
}

func certificatesOf(s *adminv3.SecretsConfigDump_DynamicSecret) ([]certificate, error) {
	secret := new(tlsv3.Secret)
	// A secret that is waited for has no content.
	if s.GetSecret() != nil {
		if err := s.GetSecret().UnmarshalTo(secret); err != nil {
			return nil, err
		}
	}
	if chain := secret.GetTlsCertificate().GetCertificateChain().GetInlineBytes(); len(chain) > 0 {
		return []certificate{{pem: chain}}, nil
	}
	if ca := secret.GetValidationContext().GetTrustedCa().GetInlineBytes(); len(ca) > 0 {
		return []certificate{{pem: ca}}, nil
	}
	custom := secret.GetValidationContext().GetCustomValidatorConfig().GetTypedConfig()
	spiffe := new(tlsv3.SPIFFECertValidatorConfig)
	if !custom.MessageIs(spiffe) {
		return []certificate{{}}, nil
	}
	if err := custom.UnmarshalTo(spiffe); err != nil {
		return nil, err
	}
	var out []certificate
	for _, td := range spiffe.GetTrustDomains() {
		out = append(out, certificate{td.GetTrustBundle().GetInlineBytes(), td.GetName()})
	}
	return out, nil
}

// describe returns the type, validity, serial number and times of the first
// certificate, and its trust domain. What is no certificate has none of them.
func (c certificate) describe(now time.Time) (cells []string, trustDomain string) {
	block, _ := pem.Decode(c.pem)
	if block == nil {
		return []string{"", "false", "", "", ""}, ""
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return []string{"", "false", "", "", ""}, ""
	}
	kind := "Cert Chain"
	if cert.IsCA {
		kind = "CA"
	}
	domain := c.trustDomain
	for _, uri := range cert.URIs {
		if c.trustDomain == "" && uri.Scheme == "spiffe" {
			domain = uri.Host
		}
	}
	valid := now.After(cert.NotBefore) && now.Before(cert.NotAfter)
	return []string{
		kind, strconv.FormatBool(valid), fmt.Sprintf("%032x", cert.SerialNumber),
		cert.NotAfter.Format(time.RFC3339), cert.NotBefore.Format(time.RFC3339),
	}, domain
}
