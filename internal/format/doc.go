// Package format compiles Envoy's command operators, as in
// "%REQ(origin)% %RESPONSE_CODE%", for the values of headers and for lines of
// access logs, text and JSON. Where a value comes from is the Source's business:
// the package knows the language, not the proxy.
package format
