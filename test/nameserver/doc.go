// Package nameserver is a small DNS server for tests: it answers what a test has
// written down, over UDP, and counts what it was asked. Both data planes can be
// pointed at it, so that the real Envoy shows what becomes of a name whose
// addresses change.
package nameserver
