// Package harden makes a configuration safe by default: Snapshot turns plain xDS
// into plain xDS that refuses what a CORS policy does not allow, so that a stock
// Envoy keeps it too. It is a pure pass that knows neither Istio's resources nor
// who made the snapshot.
//
// The scheme is "deny first". A route with a policy becomes several, in its place:
// routes for the preflights that the policy does not allow, which answer 403, and
// behind them the route itself. All conditions of an Envoy route hold together, so
// "none of these origins" is a list of inverted conditions, without a regular
// expression that would join them. docs/profiles.md describes what comes out.
package harden
