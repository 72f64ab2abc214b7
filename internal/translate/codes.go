package translate

// The codes of diagnostics that this package makes; Istio's where it has one
// for the same thing.
const (
	// CodeConflict is Istio's ConflictingGateways.
	CodeConflict = "IST0145"
	// CodeCredential is Istio's InvalidGatewayCredential.
	CodeCredential = "IST0161"
	// CodePortRequired is Istio's VirtualServiceDestinationPortSelectorRequired.
	CodePortRequired = "IST0112"
	// CodeReference is Istio's ReferencedResourceNotFound.
	CodeReference = "IST0101"
	// CodeUnsupported: a field asks for what is not translated yet.
	CodeUnsupported = "CG0201"
	// CodeNotSelected: a Gateway selects other workloads than this one.
	CodeNotSelected = "CG0202"
	// CodeNoEndpoints: requests to a destination are answered 503.
	CodeNoEndpoints = "CG0204"
	// CodeForeignSecret: a Secret was taken from the Gateway's own namespace.
	CodeForeignSecret = "CG0205"
	// CodeUpstream: an upstream given by hand names no service, or one twice.
	CodeUpstream = "CG0206"
	// CodeNotServed: a VirtualService or DestinationRule has no effect here.
	CodeNotServed = "CG0207"
	// CodeDropped: a route or resource could not be made and is left out.
	CodeDropped = "CG0208"
)
