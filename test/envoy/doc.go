// Package envoy finds and starts a real Envoy for tests. Envoy is the oracle of
// the data plane: what it answers is what the engine must answer.
package envoy
