// Package origin knows origins as browsers write them (RFC 6454 section 6.2) and
// the patterns that policies match them with: Envoy's StringMatchers, as languages
// that can be compared. It does not know policies.
package origin
