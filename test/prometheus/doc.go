// Package prometheus lets a real Prometheus, Debian's package, scrape a running
// crossgate under known traffic, and asks it what the guide asks. The scrape
// configurations and the rules are those that the documents show; what is known
// is counted by the client, never read from the gateway.
package prometheus
