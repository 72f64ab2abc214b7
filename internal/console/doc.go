// Package console is what operators look at: the admin interface with Envoy's
// paths and shapes, the readiness probe and the metrics endpoint. It reads the
// state of a running gateway and changes nothing.
package console
