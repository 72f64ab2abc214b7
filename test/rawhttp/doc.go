// Package rawhttp is an HTTP/1.1 client and upstream for tests that repair
// nothing: a request is the bytes that the test wrote, an answer is the bytes
// that came, with header names in their case and lines in their order. Go's
// net/http can do neither, and header order, case, and malformed messages are a
// part of what a proxy does.
package rawhttp
