package translate

import (
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/resource"
)

const socketTLS = "envoy.transport_sockets.tls"

var tlsVersions = map[networking.ServerTLSSettings_TLSProtocol]tlsv3.TlsParameters_TlsProtocol{
	networking.ServerTLSSettings_TLSV1_0: tlsv3.TlsParameters_TLSv1_0,
	networking.ServerTLSSettings_TLSV1_1: tlsv3.TlsParameters_TLSv1_1,
	networking.ServerTLSSettings_TLSV1_2: tlsv3.TlsParameters_TLSv1_2,
	networking.ServerTLSSettings_TLSV1_3: tlsv3.TlsParameters_TLSv1_3,
}

// downstreamTLS makes the TLS settings of an HTTPS server
// (BuildListenerTLSContext of istiod's pilot/pkg/networking/core); nil if they
// cannot be made or a certificate is missing: in its place nothing weaker may
// listen.
func (t *translator) downstreamTLS(s *server) *corev3.TransportSocket {
	in := s.spec.GetTls()
	ctx := &tlsv3.DownstreamTlsContext{
		RequireClientCertificate: wrapperspb.Bool(in.GetMode() == networking.ServerTLSSettings_MUTUAL),
		CommonTlsContext:         &tlsv3.CommonTlsContext{AlpnProtocols: []string{"h2", "http/1.1"}},
	}
	common := ctx.GetCommonTlsContext()
	ok := true
	if in.GetCredentialName() != "" || len(in.GetCredentialNames()) > 0 {
		ok = t.serverCredentials(s, common)
	} else {
		t.serverFiles(s, common)
	}
	if !ok {
		return nil
	}
	minimum, maximum, suites := tlsVersions[in.GetMinProtocolVersion()], tlsVersions[in.GetMaxProtocolVersion()], cipherSuites(in)
	if minimum != 0 || maximum != 0 || len(suites) > 0 {
		common.TlsParams = &tlsv3.TlsParameters{TlsMinimumProtocolVersion: minimum, TlsMaximumProtocolVersion: maximum, CipherSuites: suites}
	}
	a := t.pack(s.gateway, s.path("tls"), ctx)
	if a == nil {
		return nil
	}
	return &corev3.TransportSocket{Name: socketTLS, ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: a}}
}

// verifiesClients reports whether a server looks at client certificates.
func verifiesClients(in *networking.ServerTLSSettings) bool {
	return in.GetMode() == networking.ServerTLSSettings_MUTUAL || in.GetMode() == networking.ServerTLSSettings_OPTIONAL_MUTUAL
}

// serverCredentials takes the certificates of a server from Secrets.
func (t *translator) serverCredentials(s *server, common *tlsv3.CommonTlsContext) bool {
	in := s.spec.GetTls()
	user := secretUser{Resource: s.gateway, failure: "the server is left out"}
	names := in.GetCredentialNames()
	field := func(i int) string { return s.path(at("tls.credentialNames", i)) }
	if len(names) == 0 {
		names = []string{in.GetCredentialName()}
		field = func(int) string { return s.path("tls.credentialName") }
	}
	ok := true
	for i, n := range names {
		user.path = field(i)
		name, usable := t.keyPairSecret(user, n)
		ok = ok && usable
		common.TlsCertificateSdsSecretConfigs = append(common.TlsCertificateSdsSecretConfigs, snapshotSecret(name))
	}
	if !verifiesClients(in) {
		if len(in.GetSubjectAltNames()) > 0 {
			v := &tlsv3.CertificateValidationContext{MatchSubjectAltNames: exactMatchers(in.GetSubjectAltNames())} //nolint:staticcheck // What istiod sends.
			common.ValidationContextType = &tlsv3.CommonTlsContext_ValidationContext{ValidationContext: v}
		}
		return ok
	}
	user.path = field(0)
	ca, usable := t.clientAuthority(user, s, names[0])
	v := &tlsv3.CertificateValidationContext{
		MatchSubjectAltNames:  exactMatchers(in.GetSubjectAltNames()), //nolint:staticcheck // What istiod sends.
		VerifyCertificateSpki: in.GetVerifyCertificateSpki(),
		VerifyCertificateHash: in.GetVerifyCertificateHash(),
	}
	acceptUntrusted(v, in)
	common.ValidationContextType = validation(v, snapshotSecret(ca))
	return ok && usable
}

// clientAuthority is who signs the certificates of clients.
func (t *translator) clientAuthority(user secretUser, s *server, credential string) (string, bool) {
	if ca := s.spec.GetTls().GetCaCertCredentialName(); ca != "" {
		user.path = s.path("tls.caCertCredentialName")
		return t.namedAuthority(user, ca)
	}
	return t.authoritySecret(user, credential)
}

// serverFiles takes the certificates of a server from files of the gateway.
func (t *translator) serverFiles(s *server, common *tlsv3.CommonTlsContext) {
	in := s.spec.GetTls()
	pairs := in.GetTlsCertificates()
	if len(pairs) == 0 {
		pairs = []*networking.ServerTLSSettings_TLSCertificate{{ServerCertificate: in.GetServerCertificate(), PrivateKey: in.GetPrivateKey()}}
	}
	for _, p := range pairs {
		common.TlsCertificateSdsSecretConfigs = append(common.TlsCertificateSdsSecretConfigs,
			fileSecret(t.fileKeyPair(p.GetServerCertificate(), p.GetPrivateKey())))
	}
	if !verifiesClients(in) {
		return
	}
	v := &tlsv3.CertificateValidationContext{MatchSubjectAltNames: exactMatchers(in.GetSubjectAltNames())} //nolint:staticcheck // What istiod sends.
	if in.GetCaCrl() != "" {
		v.Crl = fileSource(in.GetCaCrl())
	}
	acceptUntrusted(v, in)
	common.ValidationContextType = validation(v, fileSecret(t.fileAuthority(in.GetCaCertificates())))
}

// acceptUntrusted lets in certificates that nobody vouches for, if the user
// wants that.
func acceptUntrusted(v *tlsv3.CertificateValidationContext, in *networking.ServerTLSSettings) {
	if in.GetInsecureSkipVerify().GetValue() {
		v.TrustChainVerification = tlsv3.CertificateValidationContext_ACCEPT_UNTRUSTED
	}
}

// validation joins what a certificate must say with who must have signed it.
func validation(v *tlsv3.CertificateValidationContext, authority *tlsv3.SdsSecretConfig) *tlsv3.CommonTlsContext_CombinedValidationContext {
	return &tlsv3.CommonTlsContext_CombinedValidationContext{
		CombinedValidationContext: &tlsv3.CommonTlsContext_CombinedCertificateValidationContext{
			DefaultValidationContext: v, ValidationContextSdsSecretConfig: authority,
		},
	}
}

func exactMatchers(texts []string) []*matcherv3.StringMatcher {
	var out []*matcherv3.StringMatcher
	for _, s := range texts {
		out = append(out, exactMatcher(s))
	}
	return out
}

// cipherSuites are those of a server that Envoy knows, each once, as istiod
// filters them; package check says which are none.
func cipherSuites(tls *networking.ServerTLSSettings) []string {
	var out []string
	for _, name := range tls.GetCipherSuites() {
		if resource.IsCipherSuite(name) && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}
