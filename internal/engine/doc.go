// Package engine is the data plane: an HTTP proxy that runs an xds.Snapshot as
// a real Envoy would, to the order of the header lines. It knows no Istio and no
// policy of ours. Compile turns the protos into an immutable Program; listeners
// look the program up once per request, so that a request begins and ends on one
// version.
package engine
