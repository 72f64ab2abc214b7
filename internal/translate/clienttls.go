package translate

import (
	"cmp"
	"slices"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	dfpclusterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dynamic_forward_proxy/v3"
	dfpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/dynamic_forward_proxy/v3"
	proxyprotocolv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/proxy_protocol/v3"
	rawbufferv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/raw_buffer/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// transportSecurity sets how connections to the service are protected, as
// istiod's pilot/pkg/networking/core/cluster_tls.go does. False means that the
// cluster must not be: nothing may be sent in the clear that was to be protected.
func (b *clusterBuilder) transportSecurity(c *clusterv3.Cluster, in *networking.ClientTLSSettings) bool {
	if in == nil {
		if b.autoMutual() {
			return b.autoTLS(c)
		}
		return true
	}
	from, path := b.tlsPath(in)
	var ctx *tlsv3.UpstreamTlsContext
	switch in.GetMode() {
	case networking.ClientTLSSettings_DISABLE:
		return true
	case networking.ClientTLSSettings_ISTIO_MUTUAL:
		if _, given := b.svc.upstream(b.port.number); given {
			b.t.reportOnce(diag.Warning, CodeUnsupported, from, path,
				"%s is given by --upstream, which has no sidecar: it is reached without TLS", b.svc.host)
			return true
		}
		b.t.reportOnce(diag.Warning, CodeUnsupported, from, path+".mode",
			"ISTIO_MUTUAL needs the certificates of a mesh, which a gateway without one does not have: requests to %s port %d are answered 503",
			b.svc.host, b.port.number)
		names := in.GetSubjectAltNames()
		if names == nil {
			names = b.svc.identities()
		}
		ctx = b.meshTLS(cmp.Or(in.GetSni(), b.autoTLSName()), names)
	default:
		ctx = b.originate(in, from, path)
	}
	socket := b.socket(from, path, ctx)
	if socket == nil {
		return false
	}
	c.TransportSocket = socket
	return true
}

// tlsPath is where the settings in effect are written.
func (b *clusterBuilder) tlsPath(in *networking.ClientTLSSettings) (*resource.Resource, string) {
	from, path := b.written(func(s settings) bool { return s.GetTls() == in })
	if path != "" {
		path += ".tls"
	}
	return from, path
}

// originate makes the settings of TLS that starts at the gateway.
func (b *clusterBuilder) originate(in *networking.ClientTLSSettings, from *resource.Resource, path string) *tlsv3.UpstreamTlsContext {
	ctx := &tlsv3.UpstreamTlsContext{CommonTlsContext: commonClientTLS(), Sni: in.GetSni()}
	skip := in.GetInsecureSkipVerify().GetValue()
	b.automaticNames(in, skip)
	names := in.GetSubjectAltNames()
	if len(names) == 0 && b.svc.entry {
		names = b.svc.identities()
	}
	common := ctx.GetCommonTlsContext()
	if in.GetCredentialName() != "" {
		user := secretUser{Resource: from, path: path + ".credentialName", failure: "requests to " + b.svc.host + " are answered 503"}
		b.credentials(common, in, names, skip, user)
	} else {
		b.files(common, in, names, skip)
	}
	if b.speaksHTTP2() {
		common.AlpnProtocols = []string{"h2"}
	}
	return ctx
}

// automaticNames lets Envoy take the server name and the name in the
// certificate from the request's host, where the rule gives none.
func (b *clusterBuilder) automaticNames(in *networking.ClientTLSSettings, skip bool) {
	dynamic := b.svc.resolution == networking.ServiceEntry_DYNAMIC_DNS
	o := &corev3.UpstreamHttpProtocolOptions{AutoSni: in.GetSni() == ""}
	o.AutoSanValidation = !skip && (dynamic || o.GetAutoSni() && len(in.GetSubjectAltNames()) == 0)
	if o.GetAutoSni() || o.GetAutoSanValidation() {
		b.protocolOptions().UpstreamHttpProtocolOptions = o
	}
}

// credentials takes the certificates from a Secret.
func (b *clusterBuilder) credentials(common *tlsv3.CommonTlsContext, in *networking.ClientTLSSettings, names []string, skip bool, user secretUser) {
	if in.GetMode() == networking.ClientTLSSettings_MUTUAL {
		name, _ := b.t.keyPairSecret(user, in.GetCredentialName())
		common.TlsCertificateSdsSecretConfigs = []*tlsv3.SdsSecretConfig{snapshotSecret(name)}
	}
	if skip {
		return
	}
	name, _ := b.t.authoritySecret(user, in.GetCredentialName())
	common.ValidationContextType = combined(names, "", snapshotSecret(name))
}

// files takes the certificates from files of the gateway, under the names by
// which Istio's agent serves them.
func (b *clusterBuilder) files(common *tlsv3.CommonTlsContext, in *networking.ClientTLSSettings, names []string, skip bool) {
	if in.GetMode() == networking.ClientTLSSettings_MUTUAL {
		name := b.t.fileKeyPair(in.GetClientCertificate(), in.GetPrivateKey())
		common.TlsCertificateSdsSecretConfigs = []*tlsv3.SdsSecretConfig{fileSecret(name)}
	}
	if skip {
		common.ValidationContextType = &tlsv3.CommonTlsContext_ValidationContext{}
		return
	}
	name := b.t.fileAuthority(cmp.Or(in.GetCaCertificates(), systemRoots))
	common.ValidationContextType = combined(names, in.GetCaCrl(), fileSecret(name))
}

// combined verifies a certificate by an authority and the names in it.
func combined(names []string, crl string, authority *tlsv3.SdsSecretConfig) *tlsv3.CommonTlsContext_CombinedValidationContext {
	v := &tlsv3.CertificateValidationContext{MatchSubjectAltNames: exactMatchers(names)} //nolint:staticcheck // What istiod sends.
	if crl != "" {
		v.Crl = fileSource(crl)
	}
	return validation(v, authority)
}

func commonClientTLS() *tlsv3.CommonTlsContext {
	return &tlsv3.CommonTlsContext{TlsParams: &tlsv3.TlsParameters{
		TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_2,
		TlsMaximumProtocolVersion: tlsv3.TlsParameters_TLSv1_3,
	}}
}

// autoMutual reports whether mutual TLS is offered to endpoints of the service
// that have a sidecar. Where the load balancing does not know the endpoints, all
// of them must have one.
func (b *clusterBuilder) autoMutual() bool {
	if b.svc.external {
		return false
	}
	policy := b.sub.policy
	if b.sub.name == "" && b.rule != nil {
		policy = b.rule.policy
	}
	if b.svc.resolution != networking.ServiceEntry_NONE && !passthrough(policy) {
		return true
	}
	endpoints := b.svc.endpointsFor(b.port, serviceSubset{})
	return len(endpoints) > 0 && !slices.ContainsFunc(endpoints, func(e endpoint) bool { return e.tlsMode != tlsModeIstio })
}

// autoTLS is what istiod sends for services of the mesh: mutual TLS to
// endpoints that are marked as having a sidecar, plain text to all others. Who
// has no mesh certificates (sds-grpc) never meets a marked endpoint.
func (b *clusterBuilder) autoTLS(c *clusterv3.Cluster) bool {
	socket := b.socket(b.svc.Resource, "", b.meshTLS(b.autoTLSName(), b.svc.identities()))
	if socket == nil {
		return false
	}
	if c.GetType() == clusterv3.Cluster_ORIGINAL_DST {
		c.TransportSocket = socket
		return true
	}
	c.TransportSocketMatches = []*clusterv3.Cluster_TransportSocketMatch{
		{Name: "tlsMode-istio", Match: tlsModeStruct(), TransportSocket: socket},
		{Name: "tlsMode-disabled", Match: &structpb.Struct{}, TransportSocket: b.plainSocket("envoy.transport_sockets.raw_buffer")},
	}
	return true
}

func (b *clusterBuilder) plainSocket(name string) *corev3.TransportSocket {
	return &corev3.TransportSocket{
		Name:       name,
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: b.t.pack(b.svc.Resource, "", &rawbufferv3.RawBuffer{})},
	}
}

// tlsModeIstio marks endpoints that have a sidecar.
const tlsModeIstio = "istio"

func tlsModeStruct() *structpb.Struct {
	return &structpb.Struct{Fields: map[string]*structpb.Value{"tlsMode": structpb.NewStringValue(tlsModeIstio)}}
}

// meshTLS makes the settings of mutual TLS in the mesh.
func (b *clusterBuilder) meshTLS(sni string, names []string) *tlsv3.UpstreamTlsContext {
	common := commonClientTLS()
	common.AlpnProtocols = []string{"istio"}
	if b.speaksHTTP2() {
		common.AlpnProtocols = append(common.AlpnProtocols, "h2")
	}
	common.TlsCertificateSdsSecretConfigs = []*tlsv3.SdsSecretConfig{agentSecret("default")}
	common.ValidationContextType = combined(names, "", agentSecret("ROOTCA"))
	return &tlsv3.UpstreamTlsContext{Sni: sni, CommonTlsContext: common}
}

func (b *clusterBuilder) socket(from *resource.Resource, path string, m proto.Message) *corev3.TransportSocket {
	a := b.t.pack(from, path, m)
	if a == nil {
		return nil
	}
	return &corev3.TransportSocket{Name: socketTLS, ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: a}}
}

// proxyProtocol tells the service whose connection it is, before TLS begins.
func (b *clusterBuilder) proxyProtocol(c *clusterv3.Cluster) bool {
	in := b.policy.GetProxyProtocol()
	if in == nil {
		return true
	}
	wrap := func(inner *corev3.TransportSocket) *corev3.TransportSocket {
		a := b.t.pack(b.rule.Resource, "spec.trafficPolicy.proxyProtocol", &proxyprotocolv3.ProxyProtocolUpstreamTransport{
			Config:          &corev3.ProxyProtocolConfig{Version: corev3.ProxyProtocolConfig_Version(in.GetVersion())},
			TransportSocket: inner,
		})
		return &corev3.TransportSocket{
			Name: "envoy.transport_sockets.upstream_proxy_protocol", ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: a},
		}
	}
	for _, m := range c.GetTransportSocketMatches() {
		m.TransportSocket = wrap(m.GetTransportSocket())
	}
	switch {
	case c.GetTransportSocket() != nil:
		c.TransportSocket = wrap(c.GetTransportSocket())
	case len(c.GetTransportSocketMatches()) == 0:
		c.TransportSocket = wrap(b.plainSocket("raw_buffer"))
	}
	return true
}

// dynamicDNS makes the cluster of a wildcard host: the name to look up is that
// of the request.
func (b *clusterBuilder) dynamicDNS(c *clusterv3.Cluster) bool {
	switch b.port.protocol {
	case "HTTP", "TLS", "GRPC", "HTTP2":
	default:
		return false
	}
	c.LbPolicy = clusterv3.Cluster_CLUSTER_PROVIDED
	c.CommonLbConfig = nil
	delete(c.GetMetadata().GetFilterMetadata()["istio"].GetFields(), "services")
	tls := b.policy.GetTls()
	insecure := tls != nil && (tls.GetSni() != "" || tls.GetInsecureSkipVerify().GetValue())
	a := b.t.pack(b.svc.Resource, "", &dfpclusterv3.ClusterConfig{
		AllowInsecureClusterOptions: insecure && tls.GetMode() != networking.ClientTLSSettings_DISABLE,
		ClusterImplementationSpecifier: &dfpclusterv3.ClusterConfig_DnsCacheConfig{DnsCacheConfig: &dfpv3.DnsCacheConfig{
			Name: b.svc.host + "_dfp_dns_cache", DnsLookupFamily: clusterv3.Cluster_V4_ONLY,
		}},
	})
	c.ClusterDiscoveryType = &clusterv3.Cluster_ClusterType{ClusterType: &clusterv3.Cluster_CustomClusterType{
		Name: "envoy.clusters.dynamic_forward_proxy", TypedConfig: a,
	}}
	return a != nil
}

// fileSecret refers to a certificate in a file, which the agent serves.
func fileSecret(name string) *tlsv3.SdsSecretConfig {
	out := agentSecret(name)
	out.SdsConfig.InitialFetchTimeout = nil
	return out
}

// agentSecret refers to a certificate that Istio's agent serves beside Envoy.
func agentSecret(name string) *tlsv3.SdsSecretConfig {
	return &tlsv3.SdsSecretConfig{
		Name: name,
		SdsConfig: &corev3.ConfigSource{
			ConfigSourceSpecifier: &corev3.ConfigSource_ApiConfigSource{ApiConfigSource: &corev3.ApiConfigSource{
				ApiType:                   corev3.ApiConfigSource_GRPC,
				TransportApiVersion:       corev3.ApiVersion_V3,
				SetNodeOnFirstMessageOnly: true,
				GrpcServices: []*corev3.GrpcService{{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{
					EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: "sds-grpc"},
				}}},
			}},
			InitialFetchTimeout: durationpb.New(0),
			ResourceApiVersion:  corev3.ApiVersion_V3,
		},
	}
}
