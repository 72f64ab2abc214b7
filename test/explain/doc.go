// Package explain holds what crossgate explain says against what a gateway then answers: random configurations and calls,
// the explanation made from the files, and its requests sent to a running gateway.
package explain
