package check

import "github.com/crossgate/crossgate/internal/envoyfilter"

// The codes of this package.
const (
	// CodeUnenforced: the input asks for protection that would not be there.
	// What has this code as an error must not be served.
	CodeUnenforced = envoyfilter.CodeUnenforced
	// CodeNoEffect: the kind has no effect on traffic.
	CodeNoEffect = "CG0011"
	// CodeUnbuilt: the field is not translated yet.
	CodeUnbuilt = "CG0012"
	// CodeCatchAll: another VirtualService takes the requests of a route.
	CodeCatchAll = "CG0013"
	// CORS policies.
	CodeEveryoneWithCredentials = "CG0601"
	CodeLiteralStar             = "CG0602"
	CodeEveryone                = "CG0603"
	CodeOpenPrefix              = "CG0604"
	CodeLooseDot                = "CG0605"
	CodeOpenRegex               = "CG0606"
	CodeNeverMatches            = "CG0607"
	CodeNullOrigin              = "CG0608"
	CodePlainHTTPOrigin         = "CG0609"
	CodePublicSuffix            = "CG0610"
	CodeLiteralExposeStar       = "CG0611"
	CodeLiteralHeaderStar       = "CG0612"
	CodeAnyHeader               = "CG0613"
	CodeAuthorizationStar       = "CG0614"
	CodeSecretHeader            = "CG0615"
	CodeMethodCase              = "CG0616"
	CodeMaxAge                  = "CG0617"
	CodeUnreachablePreflight    = "CG0618"
	CodeShadowedPolicy          = "CG0619"
	CodeUnboundPolicy           = "CG0620"
	CodeContradictingPolicies   = "CG0621"
	CodeBothOriginFields        = "CG0622"
	CodeEmptyPolicy             = "CG0623"
	CodeHeaderOperation         = "CG0624"
	CodeWipedPolicy             = "CG0625"
	CodeRefusedPreflight        = "CG0626"
	CodeProductionPattern       = "CG0627"
	CodeAnyMethod               = "CG0628"
	// The rest are Istio's messages of these names.
	CodeDeprecated             = "IST0002" // Deprecated
	CodeReference              = "IST0101" // ReferencedResourceNotFound
	CodeMisplacedAnnotation    = "IST0107" // MisplacedAnnotation
	CodeUnknownAnnotation      = "IST0108" // UnknownAnnotation
	CodeMeshHost               = "IST0109" // ConflictingMeshGatewayVirtualServiceHosts
	CodeServerVerification     = "IST0128" // NoServerCertificateVerificationDestinationLevel
	CodePortServerVerification = "IST0129" // NoServerCertificateVerificationPortLevel
	CodeUnreachableRule        = "IST0130" // VirtualServiceUnreachableRule
	CodeIneffectiveMatch       = "IST0131" // VirtualServiceIneffectiveMatch
	CodeGatewayHost            = "IST0132" // VirtualServiceHostNotFoundInGateway
	CodeSchemaWarning          = "IST0133" // SchemaWarning
	CodeServiceAddress         = "IST0134" // ServiceEntryAddressesRequired
	CodeDeprecatedAnnotation   = "IST0135" // DeprecatedAnnotation
	CodeDuplicateCertificate   = "IST0138" // GatewayDuplicateCertificate
	CodeRelativeOperation      = "IST0151" // EnvoyFilterUsesRelativeOperation
	CodeReplaceOperation       = "IST0152" // EnvoyFilterUsesReplaceOperationIncorrectly
	CodeAddOperation           = "IST0153" // EnvoyFilterUsesAddOperationIncorrectly
	CodeRemoveOperation        = "IST0154" // EnvoyFilterUsesRemoveOperationIncorrectly
	CodeVersionedOperation     = "IST0155" // EnvoyFilterUsesRelativeOperationWithProxyVersion
	CodeUnknownHost            = "IST0174" // UnknownDestinationRuleHost
)

// Code explains a code of the diagnostics of crossgate to users.
type Code struct {
	// ID is Istio's where Istio's analyzer reports the same, else ours.
	ID string
	// Doc is one sentence.
	Doc string
}

// Codes returns every code, sorted. A test holds that no other is in use.
func Codes() []Code {
	return []Code{
		{"CG0001", "The document is not valid YAML or JSON."},
		{"CG0002", "The object has a field that its kind does not have; kubectl and istiod would drop it in silence."},
		{"CG0003", "A key is written twice in one mapping."},
		{"CG0004", "Two objects have the same kind, namespace and name; the first counts."},
		{"CG0005", "apiVersion, kind or metadata.name is missing, malformed or unknown."},
		{"CG0006", "The input is larger or nested deeper than is accepted."},
		{"CG0007", "A value has a control character, which would reach the wire as it is."},
		{"CG0008", "A path does not exist or cannot be read."},
		{"CG0009", "The system cannot watch a path; its changes are noticed by polling."},
		{"CG0010", "The input asks for protection that is not enforced; --allow-unenforced serves all the same."},
		{"CG0011", "The object is of a kind that has no effect on traffic here."},
		{"CG0012", "The field is not translated yet and has no effect."},
		{"CG0013", "Two VirtualServices of one host have a route for every path, and only the first gets requests."},
		{"CG0201", "A field asks for what is not translated yet; what depends on it is left out."},
		{"CG0202", "The Gateway or EnvoyFilter is for other workloads than this one."},
		{"CG0204", "A destination has no endpoints, or none that a gateway can know (PASSTHROUGH); requests to it are answered 503."},
		{"CG0205", "A Secret was taken from the Gateway's own namespace and not from the workload's."},
		{"CG0206", "An --upstream names no service, or one twice."},
		{"CG0207", "A VirtualService or DestinationRule has no effect on this gateway."},
		{"CG0208", "A route or resource could not be made and is left out."},
		{"CG0220", "A patch of an EnvoyFilter changes nothing here."},
		{"CG0221", "A patch of an EnvoyFilter cannot be applied and is left out, or what it makes cannot be run."},
		{"CG0300", "The engine cannot run a part of the configuration."},
		{"CG0301", "Two listeners would use one port."},
		{"CG0302", "A bootstrap has something that the engine cannot run."},
		{"CG0303", "A bootstrap takes configuration from a server, which is not used here."},
		{"CG0401", "A development certificate was made, or could not be."},
		{"CG0501", "A CORS policy cannot be enforced safely; its route answers without CORS."},
		{"CG0502", "A preflight does not tell all that a route asks for."},
		{"CG0503", "A CORS policy is left as Istio has it, because the profile hardened cannot enforce it."},
		{"CG0504", "A CORS policy on trial is tried on nothing."},
		{"CG0505", "Regular expressions are larger than a stock Envoy takes without being told to."},
		{"CG0601", "Credentials are allowed for every origin."},
		{"CG0602", "A pattern matches the text *, for which Envoy opens the policy to every origin."},
		{"CG0603", "A pattern matches every origin, without saying so."},
		{"CG0604", "A prefix of origins ends inside a host name, so that names of others begin with it."},
		{"CG0605", "A dot of a pattern is not escaped, so that names of others match."},
		{"CG0606", "A pattern leaves the name of the host open, so that names of others match."},
		{"CG0607", "An origin is none that a browser sends."},
		{"CG0608", "The origin null is allowed, which any site can have."},
		{"CG0609", "Credentials are allowed for an origin without TLS."},
		{"CG0610", "All names below a public suffix are allowed, where anybody can get one."},
		{"CG0611", "exposeHeaders: * exposes nothing for requests with credentials."},
		{"CG0612", "* among other names allows nothing more for requests with credentials."},
		{"CG0613", "All request headers are allowed, or all response headers exposed."},
		{"CG0614", "* does not stand for authorization."},
		{"CG0615", "A response header that holds a secret is exposed to scripts."},
		{"CG0616", "A route is for a method in lower case."},
		{"CG0617", "maxAge is longer than browsers keep the answer, or not set."},
		{"CG0618", "No preflight reaches a policy on Istio."},
		{"CG0619", "Routes before it take all requests of a route with a policy."},
		{"CG0620", "A policy stands in a VirtualService that no gateway serves."},
		{"CG0621", "Two routes for the same paths of one host have different policies."},
		{"CG0622", "allowOrigin has no effect beside allowOrigins."},
		{"CG0623", "A policy allows no origin."},
		{"CG0624", "A route changes headers of CORS beside its policy."},
		{"CG0625", "An EnvoyFilter takes CORS policies away."},
		{"CG0626", "An AuthorizationPolicy refuses preflights."},
		{"CG0627", "An origin is a pattern in production, and lets in nothing that was not meant."},
		{"CG0628", "All methods are allowed."},
		{"IST0002", "A field is deprecated."},
		{"IST0101", "An object is referred to that does not exist."},
		{"IST0106", "The object has not the form or the values that its kind demands."},
		{"IST0107", "An annotation of Istio stands on a kind for which it has no effect."},
		{"IST0108", "An annotation under istio.io is none that Istio has."},
		{"IST0109", "Two VirtualServices for sidecars have the same host."},
		{"IST0112", "A destination with several ports is used without saying which."},
		{"IST0128", "TLS to a service does not verify its certificate."},
		{"IST0129", "TLS to a port of a service does not verify its certificate."},
		{"IST0130", "A route of a VirtualService gets no request, because routes before it take them all."},
		{"IST0131", "A match of a VirtualService is covered by one before it."},
		{"IST0132", "None of the hosts of a VirtualService is served by the Gateway that it names."},
		{"IST0133", "The object is accepted, and something in it is deprecated, without effect or at risk."},
		{"IST0134", "A ServiceEntry of TCP has no addresses."},
		{"IST0135", "An annotation is deprecated."},
		{"IST0138", "Two Gateways of one workload use the same certificate."},
		{"IST0145", "Two Gateways claim the same host on the same port."},
		{"IST0151", "A patch of an EnvoyFilter without a priority is relative to what others add or remove."},
		{"IST0152", "A patch of an EnvoyFilter replaces what cannot be replaced."},
		{"IST0153", "A patch of an EnvoyFilter adds what cannot be added."},
		{"IST0154", "A patch of an EnvoyFilter removes what cannot be removed."},
		{"IST0155", "A relative patch of an EnvoyFilter is about a filter that another patches for one version of the proxy only."},
		{"IST0161", "The credential of a Gateway is invalid."},
		{"IST0174", "A DestinationRule is for a service that is not known."},
	}
}
