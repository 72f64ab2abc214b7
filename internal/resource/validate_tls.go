package resource

import (
	"strings"
	"unicode"
	"unicode/utf8"

	networking "istio.io/api/networking/v1alpha3"
)

// tlsOptions checks the TLS settings of a server.
func (v *validator) tlsOptions(tls *networking.ServerTLSSettings, path string) {
	if tls == nil {
		return
	}
	mode := tls.Mode
	if mode == networking.ServerTLSSettings_ISTIO_MUTUAL {
		v.ownCertificates(tls, path)
		return
	}
	v.oneSource(tls, path)
	mutual := mode == networking.ServerTLSSettings_MUTUAL || mode == networking.ServerTLSSettings_OPTIONAL_MUTUAL
	terminates := mutual || mode == networking.ServerTLSSettings_SIMPLE
	if terminates && (tls.CredentialName != "" || len(tls.CredentialNames) > 0) {
		return
	}
	if mutual && tls.CaCertificates == "" {
		v.errorf(path, "%s needs credentialName or caCertificates", mode)
	}
	if terminates {
		v.serverCertificates(tls, path)
	}
	switch {
	case tls.CaCrl != "" && tls.CredentialName != "":
		v.errorf(path+".caCrl", "with credentialName, the list of revoked certificates is part of the Secret")
	case tls.CaCrl != "" && mode == networking.ServerTLSSettings_SIMPLE:
		v.errorf(path+".caCrl", "SIMPLE asks for no certificates that a list could revoke")
	}
}

func (v *validator) ownCertificates(tls *networking.ServerTLSSettings, path string) {
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"serverCertificate", tls.ServerCertificate != ""},
		{"privateKey", tls.PrivateKey != ""},
		{"caCertificates", tls.CaCertificates != ""},
		{"tlsCertificates", len(tls.TlsCertificates) > 0},
		{"credentialName", tls.CredentialName != ""},
		{"credentialNames", len(tls.CredentialNames) > 0},
	} {
		if f.set {
			v.errorf(path+"."+f.name, "ISTIO_MUTUAL brings its own certificates and cannot have %s", f.name)
		}
	}
}

// oneSource checks that the certificates of a server are named in one way.
func (v *validator) oneSource(tls *networking.ServerTLSSettings, path string) {
	first := ""
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"serverCertificate", tls.ServerCertificate != "" && tls.PrivateKey != ""},
		{"credentialName", tls.CredentialName != ""},
		{"credentialNames", len(tls.CredentialNames) > 0},
		{"tlsCertificates", len(tls.TlsCertificates) > 0},
	} {
		switch {
		case f.set && first != "":
			v.errorf(path+"."+f.name, "a server has its certificates from %s or from %s, not from both", first, f.name)
		case f.set:
			first = f.name
		}
	}
}

func (v *validator) serverCertificates(tls *networking.ServerTLSSettings, path string) {
	if len(tls.TlsCertificates) == 0 && (tls.ServerCertificate == "" || tls.PrivateKey == "") {
		v.errorf(path, "%s needs credentialName, or serverCertificate and privateKey", tls.Mode)
	}
	for i, c := range tls.TlsCertificates {
		if c.GetServerCertificate() == "" || c.GetPrivateKey() == "" {
			v.errorf(at(path+".tlsCertificates", i), "a certificate needs serverCertificate and privateKey")
		}
	}
}

// clientTLS checks the TLS settings for connections to a service.
func (v *validator) clientTLS(tls *networking.ClientTLSSettings, path string) {
	if tls == nil {
		return
	}
	v.credentialMap(tls.CredentialName, path+".credentialName")
	mutual, simple := tls.Mode == networking.ClientTLSSettings_MUTUAL, tls.Mode == networking.ClientTLSSettings_SIMPLE
	if tls.GetInsecureSkipVerify().GetValue() {
		v.unverified(tls, path)
	}
	switch {
	case (simple || mutual) && tls.CredentialName != "":
		for _, f := range []struct{ name, value string }{
			{"clientCertificate", tls.ClientCertificate},
			{"caCertificates", tls.CaCertificates},
			{"privateKey", tls.PrivateKey},
			{"caCrl", tls.CaCrl},
		} {
			if f.value != "" {
				v.errorf(path+"."+f.name, "with credentialName, %s is part of the Secret", f.name)
			}
		}
	case mutual && (tls.ClientCertificate == "" || tls.PrivateKey == ""):
		v.errorf(path, "MUTUAL needs clientCertificate and privateKey, or credentialName")
	}
}

// unverified checks settings that skip the verification: what would be verified
// must not be given. In MUTUAL the credential may be there for the client's own
// certificate.
func (v *validator) unverified(tls *networking.ClientTLSSettings, path string) {
	mutual, simple := tls.Mode == networking.ClientTLSSettings_MUTUAL, tls.Mode == networking.ClientTLSSettings_SIMPLE
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"caCertificates", (simple || mutual) && tls.CaCertificates != ""},
		{"subjectAltNames", (simple || mutual) && tls.SubjectAltNames != nil},
		{"credentialName", simple && tls.CredentialName != ""},
	} {
		if f.set {
			v.errorf(path+"."+f.name, "insecureSkipVerify verifies nothing, so %s cannot be given", f.name)
		}
	}
}

// credentialMap checks a credential that is a ConfigMap.
func (v *validator) credentialMap(name, path string) {
	rest, ok := strings.CutPrefix(name, "configmap://")
	if !ok {
		return
	}
	parts := strings.Split(rest, "/")
	switch {
	case len(parts) < 2 || parts[0] == "" || parts[1] == "":
		v.errorf(path, "%s is not configmap://NAMESPACE/NAME", quote(name))
	case parts[0] != v.Namespace:
		v.errorf(path, "a ConfigMap with certificates must be in the namespace of the object, which is %q", v.Namespace)
	}
}

// envoySuites are the cipher suites that Envoy lets a listener choose from
// (ValidCipherSuites in Istio's pkg/config/security).
const envoySuites = " ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-RSA-AES256-GCM-SHA384" +
	" ECDHE-ECDSA-CHACHA20-POLY1305 ECDHE-RSA-CHACHA20-POLY1305 ECDHE-ECDSA-AES128-SHA ECDHE-RSA-AES128-SHA" +
	" ECDHE-ECDSA-AES256-SHA ECDHE-RSA-AES256-SHA AES128-GCM-SHA256 AES256-GCM-SHA384 AES128-SHA AES256-SHA DES-CBC3-SHA "

// IsCipherSuite accepts the names of suites, ALL, and what begins with an operator
// ("-", "[") without looking into it.
func IsCipherSuite(name string) bool {
	if name == "" || name == "ALL" || strings.Contains(envoySuites, " "+name+" ") {
		return true
	}
	first, _ := utf8.DecodeRuneInString(name)
	return !unicode.IsNumber(first) && !unicode.IsLetter(first)
}
