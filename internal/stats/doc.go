// Package stats counts what the data plane does: Istio's request metrics with
// their labels, and Envoy's own counters under Envoy's names. Handles are
// resolved once; counting then allocates nothing. The exposition is Prometheus'
// own library's.
package stats
