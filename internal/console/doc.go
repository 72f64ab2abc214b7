// Package console is what operators look at: the admin interface with Envoy's
// paths and shapes, the readiness probe and the metrics endpoint. It reads the
// state of a running gateway; all that it changes are the levels of its loggers.
package console
