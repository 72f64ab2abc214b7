// Package http1 is the HTTP/1 codec of the data plane: request and response
// heads, chunked bodies, and their writers, as pure functions on byte slices.
//
// It has no I/O, no goroutines and no policy beyond the codec's. In the steady
// state it allocates nothing: names and values are slices of the caller's
// buffer, and the few values that must be put together (joined duplicates,
// folded lines) live in the request's arena.
//
// It accepts and refuses what Envoy 1.40's codec does, with the same status and
// the same response code details, because a gateway that reads a message
// differently from the proxies around it can be made to see two requests where
// they see one. Where Envoy is laxer than RFC 9112 (bare LF line ends, folded
// lines, blanks in the request line), the lax reading is normalised here and
// never forwarded. A test compares the package with a real Envoy on generated
// requests.
package http1
