package check

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/crossgate/crossgate/internal/resource"
)

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
	// applies restricts the rule to some messages that hold the field.
	applies func(parent protoreflect.Message) bool
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
	out = append(out, rules(kind, Built, "", tls("httpsRedirect", "credentialName", "insecureSkipVerify")...)...)
	out = append(out,
		Field{Kind: kind, Path: "spec.servers[].port.protocol", State: Refused, Why: "other protocols", Except: []string{"HTTP", "HTTPS"}},
		Field{Kind: kind, Path: "spec.servers[].tls.mode", State: Refused, Why: "other TLS modes", Except: []string{"SIMPLE"}},
	)
	out = append(out, rules(kind, Refused, "certificates from files, several certificates",
		tls("serverCertificate", "privateKey", "credentialNames", "tlsCertificates")...)...)
	out = append(out, rules(kind, Refused, "verification of client certificates",
		tls("subjectAltNames", "verifyCertificateSpki", "verifyCertificateHash")...)...)
	out = append(out, rules(kind, Unenforced, "verification of client certificates", tls("caCertificates", "caCertCredentialName", "caCrl")...)...)
	out = append(out, rules(kind, Unenforced, "TLS versions and cipher suites", tls("minProtocolVersion", "maxProtocolVersion", "cipherSuites")...)...)
	return append(out, rules(kind, Ignored, "the default endpoint of a server", "spec.servers[].defaultEndpoint")...)
}

func virtualServiceFields() []Field {
	const kind = resource.KindVirtualService
	out := rules(kind, Built, "", "spec.hosts", "spec.gateways", "spec.exportTo",
		"spec.http[].name", "spec.http[].match", "spec.http[].route", "spec.http[].redirect", "spec.http[].rewrite",
		"spec.http[].directResponse", "spec.http[].mirror", "spec.http[].mirrors", "spec.http[].mirrorPercent",
		"spec.http[].mirrorPercentage", "spec.http[].headers", "spec.http[].timeout", "spec.http[].retries",
		"spec.http[].corsPolicy", "spec.http[].fault")
	out = append(out, rules(kind, Refused, "delegation", "spec.http[].delegate")...)
	out = append(out, rules(kind, Refused, "TCP and TLS routes", "spec.tcp", "spec.tls")...)
	return append(out, rules(kind, Refused, "retries at hosts of other localities", "spec.http[].retries.retryRemoteLocalities")...)
}

func destinationRuleFields() []Field {
	const kind = resource.KindDestinationRule
	out := rules(kind, Built, "", "spec.host", "spec.subsets[].name", "spec.subsets[].labels")
	out = append(out, rules(kind, Ignored, "the visibility of DestinationRules", "spec.exportTo", "spec.workloadSelector")...)
	for _, policy := range []string{"spec.trafficPolicy", "spec.subsets[].trafficPolicy"} {
		for _, p := range []string{policy, policy + ".portLevelSettings[]"} {
			out = append(out,
				Field{Kind: kind, Path: p + ".tls", State: Unenforced, Why: "TLS to upstreams", applies: enforcesTLS},
				Field{Kind: kind, Path: p + ".loadBalancer.simple", State: Ignored, Why: "other load balancing than round robin", Except: []string{"ROUND_ROBIN", "UNSPECIFIED"}},
			)
			out = append(out, rules(kind, Ignored, "connection pools", p+".connectionPool")...)
			out = append(out, rules(kind, Ignored, "outlier detection", p+".outlierDetection")...)
			out = append(out, rules(kind, Ignored, "other load balancing than round robin", p+".loadBalancer")...)
		}
		out = append(out, rules(kind, Built, "", policy+".portLevelSettings[].port")...)
		out = append(out, rules(kind, Ignored, "tunnels, the PROXY protocol, retry budgets",
			policy+".tunnel", policy+".proxyProtocol", policy+".retryBudget")...)
	}
	return out
}

// enforcesTLS is true for TLS settings of an upstream that ask for more than
// plain text.
func enforcesTLS(parent protoreflect.Message) bool {
	tls := parent.Descriptor().Fields().ByName("tls")
	settings := parent.Get(tls).Message()
	return settings.Get(settings.Descriptor().Fields().ByName("mode")).Enum() != 0 // DISABLE
}

func serviceEntryFields() []Field {
	const kind = resource.KindServiceEntry
	out := rules(kind, Built, "", "spec.hosts", "spec.ports", "spec.endpoints[].address", "spec.endpoints[].ports", "spec.endpoints[].labels")
	// Virtual addresses and the location matter to sidecars only.
	out = append(out, rules(kind, Built, "", "spec.addresses", "spec.location")...)
	out = append(out, Field{Kind: kind, Path: "spec.resolution", State: Ignored, Why: "other resolutions", Except: []string{"STATIC", "DNS"}})
	out = append(out, rules(kind, Ignored, "workloads by selector", "spec.workloadSelector")...)
	out = append(out, rules(kind, Ignored, "the visibility of ServiceEntries", "spec.exportTo")...)
	out = append(out, rules(kind, Ignored, "identities of workloads", "spec.subjectAltNames", "spec.endpoints[].serviceAccount")...)
	return append(out, rules(kind, Ignored, "localities, networks and weights of endpoints",
		"spec.endpoints[].network", "spec.endpoints[].locality", "spec.endpoints[].weight")...)
}
