package http1

import "github.com/crossgate/crossgate/internal/header"

// Response is a parsed response head. The rules for memory are Request's.
type Response struct {
	Minor  int
	Status int
	// Headers are all fields in order, names in lower case, values trimmed,
	// repeated fields joined as in Request.
	Headers header.List
	Framing Framing
	// ContentLength is the body's length in bytes with Framing Length, 0 with
	// NoBody, else -1. For HEAD and 304 the field's own value is in Headers.
	ContentLength int64
	// Close says that the connection cannot be used again after this response.
	Close bool
	// Upgrade is a 101 response: what follows is not HTTP/1.
	Upgrade bool
	Arena   header.Arena

	scan headScan
}

// Reset makes the response ready for the next head.
func (r *Response) Reset() {
	r.Headers.Reset()
	r.Arena.Reset()
	*r = Response{Headers: r.Headers, Arena: r.Arena}
}

// ParseResponse parses the head at the beginning of buf: the answer to a request
// with the given method, which decides whether a body follows. It returns the
// head's length, or 0 when more bytes are needed, as ParseRequest does. Interim
// responses (1xx) are returned like any other.
func ParseResponse(buf, method []byte, r *Response, o *Options) (n int, err *Error) {
	return 0, nil
}
