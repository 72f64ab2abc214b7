package check

import "github.com/crossgate/crossgate/internal/resource"

// State says what becomes of a field.
type State int

const (
	// Built fields do what Istio's do, or have no meaning for a gateway.
	Built State = iota
	// Ignored fields have no effect; a warning says so.
	Ignored
	// Unenforced fields guard something and have no effect: an error.
	Unenforced
	// Refused fields take what depends on them along (the route, the server):
	// package translate reports that.
	Refused
)

// Field is what is known of a field of a kind, with all that is below it unless a
// longer path says otherwise.
type Field struct {
	Kind string
	// Path is that of diagnostics with [] for every index: spec.http[].mirror.
	Path  string
	State State
	// Why says what is missing, for the table of partial fields.
	Why string
	// Except names the enum values or strings that are built.
	Except []string
}

// Fields returns what is known of every field of the kinds that are translated. A
// field that is in no rule is Ignored: what nobody thought of is said too.
func Fields() []Field {
	fields := gatewayFields()
	fields = append(fields, virtualServiceFields()...)
	fields = append(fields, destinationRuleFields()...)
	return append(fields, serviceEntryFields()...)
}

// rules makes one field for each path.
func rules(kind string, state State, why string, paths ...string) []Field {
	out := make([]Field, len(paths))
	for i, p := range paths {
		out[i] = Field{Kind: kind, Path: p, State: state, Why: why}
	}
	return out
}

func gatewayFields() []Field {
	const kind = resource.KindGateway
	tls := func(names ...string) []string {
		for i, n := range names {
			names[i] = "spec.servers[].tls." + n
		}
		return names
	}
	out := rules(kind, Built, "", "spec.selector", "spec.servers[].port", "spec.servers[].hosts", "spec.servers[].name", "spec.servers[].bind")
	out = append(out, rules(kind, Built, "", tls("httpsRedirect", "credentialName", "insecureSkipVerify",
		"minProtocolVersion", "maxProtocolVersion", "cipherSuites")...)...)
	out = append(out,
		Field{
			Kind: kind, Path: "spec.servers[].port.protocol", State: Refused, Why: "protocols without HTTP",
			Except: []string{"HTTP", "HTTPS", "HTTP2", "GRPC", "GRPC-WEB", "HTTP_PROXY"},
		},
		Field{Kind: kind, Path: "spec.servers[].tls.mode", State: Refused, Why: "other TLS modes", Except: []string{"SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL"}},
	)
	out = append(out, rules(kind, Built, "", tls("serverCertificate", "privateKey", "credentialNames", "caCertificates", "caCertCredentialName",
		"subjectAltNames", "verifyCertificateSpki", "verifyCertificateHash")...)...)
	out = append(out, rules(kind, Refused, "several certificates from files", tls("tlsCertificates")...)...)
	out = append(out, rules(kind, Refused, "lists of revoked certificates", tls("caCrl")...)...)
	return append(out, rules(kind, Ignored, "the default endpoint of a server", "spec.servers[].defaultEndpoint")...)
}

func virtualServiceFields() []Field {
	const kind = resource.KindVirtualService
	out := rules(kind, Built, "", "spec.hosts", "spec.gateways", "spec.exportTo",
		"spec.http[].name", "spec.http[].match", "spec.http[].route", "spec.http[].redirect", "spec.http[].rewrite",
		"spec.http[].directResponse", "spec.http[].headers", "spec.http[].timeout", "spec.http[].retries",
		"spec.http[].corsPolicy", "spec.http[].fault", "spec.http[].delegate",
		"spec.http[].mirror", "spec.http[].mirrors", "spec.http[].mirrorPercent", "spec.http[].mirrorPercentage")
	out = append(out, rules(kind, Refused, "TCP and TLS routes", "spec.tcp", "spec.tls")...)
	return append(out, rules(kind, Ignored, "retries at hosts of other localities, which the engine does not prefer (a stock Envoy does)",
		"spec.http[].retries.retryRemoteLocalities")...)
}

func destinationRuleFields() []Field {
	const kind = resource.KindDestinationRule
	out := rules(kind, Built, "", "spec.host", "spec.subsets[].name", "spec.subsets[].labels", "spec.exportTo", "spec.workloadSelector")
	for _, policy := range []string{"spec.trafficPolicy", "spec.subsets[].trafficPolicy"} {
		for _, p := range []string{policy, policy + ".portLevelSettings[]"} {
			out = append(out, policyFields(p)...)
		}
		out = append(out, rules(kind, Built, "", policy+".portLevelSettings[].port")...)
		out = append(out, rules(kind, Unenforced, "tunnels", policy+".tunnel")...)
		out = append(out, rules(kind, Refused, "the PROXY protocol, which the engine does not speak (a stock Envoy does)", policy+".proxyProtocol")...)
		out = append(out, rules(kind, Built, "", policy+".retryBudget")...)
	}
	return out
}

// policyFields are the fields that a traffic policy and its settings for a port
// share.
func policyFields(path string) []Field {
	const kind = resource.KindDestinationRule
	out := rules(kind, Built, "", path+".tls")
	out = append(out, Field{
		Kind: kind, Path: path + ".tls.mode", State: Refused, Why: "mutual TLS of a mesh, whose certificates a gateway without one does not have",
		Except: []string{"DISABLE", "SIMPLE", "MUTUAL"},
	})
	out = append(out, rules(kind, Refused, "lists of revoked certificates, which the engine does not read (a stock Envoy does)", path+".tls.caCrl")...)
	out = append(out, Field{
		Kind: kind, Path: path + ".loadBalancer.simple", State: Refused, Why: "the original destination as load balancing, which the engine does not do",
		Except: []string{"UNSPECIFIED", "LEAST_CONN", "RANDOM", "ROUND_ROBIN", "LEAST_REQUEST"},
	})
	out = append(out, rules(kind, Refused, "load balancing by hash, which the engine does not do (a stock Envoy does)", path+".loadBalancer.consistentHash")...)
	out = append(out, rules(kind, Ignored, "the warm-up of new hosts, which the engine does not do (a stock Envoy does)", path+".loadBalancer")...)
	out = append(out, rules(kind, Built, "", path+".loadBalancer.localityLbSetting")...)
	out = append(out, rules(kind, Built, "", path+".connectionPool")...)
	return append(out, rules(kind, Built, "", path+".outlierDetection")...)
}

func serviceEntryFields() []Field {
	const kind = resource.KindServiceEntry
	out := rules(kind, Built, "", "spec.hosts", "spec.ports", "spec.exportTo", "spec.workloadSelector",
		"spec.endpoints[].address", "spec.endpoints[].ports", "spec.endpoints[].labels", "spec.endpoints[].weight", "spec.endpoints[].locality")
	// Virtual addresses and the location matter to sidecars.
	out = append(out, rules(kind, Built, "", "spec.addresses", "spec.location")...)
	out = append(out, Field{
		Kind: kind, Path: "spec.resolution", State: Ignored, Why: "names that are resolved for each request, which the engine does not do (a stock Envoy does)",
		Except: []string{"NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN"},
	})
	out = append(out, rules(kind, Built, "", "spec.subjectAltNames", "spec.endpoints[].serviceAccount")...)
	return append(out, rules(kind, Ignored, "networks of endpoints", "spec.endpoints[].network")...)
}
