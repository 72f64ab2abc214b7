// Package header holds HTTP fields as the data plane sees them: an ordered list
// of byte slices that point into a connection's buffer, with lower-case names,
// as Envoy keeps them. Nothing in it allocates in the steady state, and nothing
// in it knows a codec.
package header
