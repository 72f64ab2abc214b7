// Package translate turns a set of Istio and Kubernetes resources into the
// xds.Snapshot that istiod would send to a gateway. It is pure and
// deterministic, and knows no profile and no policy of ours: what differs from
// istiod is listed in testdata/istiod/differences.txt with its reason.
//
// One object never takes another down: what cannot be translated is left out,
// with a diagnostic at its position, and never in a way that opens more than
// was written.
package translate
