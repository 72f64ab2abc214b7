package http1

import "github.com/crossgate/crossgate/internal/header"

// Framing is how the end of a message's body is found.
type Framing uint8

const (
	// NoBody: the message ends with its head.
	NoBody Framing = iota
	// Length: ContentLength bytes follow.
	Length
	// Chunked: chunks follow; ChunkDecoder decodes them.
	Chunked
	// UntilClose: the body ends with the connection. Responses only.
	UntilClose
)

// Request is a parsed request head. Its slices point into the buffer given to
// ParseRequest, or into Arena, and are valid until either is reused. A Request
// is meant to be kept for the connection's life: Reset keeps its memory.
type Request struct {
	Method []byte
	// Target is the path with its query as it will be routed: "*" for
	// OPTIONS *, the path of an absolute-form target. With
	// Options.RefuseAbsoluteURL it is the target as received.
	Target []byte
	// Authority is the Host field's value, or the authority of an
	// absolute-form target or of CONNECT, which take precedence.
	Authority []byte
	// Scheme is only set by an absolute-form target.
	Scheme []byte
	// Minor is the HTTP/1 minor version, 0 or 1.
	Minor int
	// Headers are all fields but Host, in order, names in lower case, values
	// trimmed. Repeated fields that Envoy keeps as one (see joinedRequest) are
	// joined with "," in the place of the first.
	Headers header.List
	Framing Framing
	// ContentLength is the body's length in bytes with Framing Length, 0 with
	// NoBody, else -1.
	ContentLength int64
	// Close says that the connection ends after this exchange: the client said
	// so, or it speaks HTTP/1.0 without keep-alive.
	Close bool
	// KeepAlive10 is an HTTP/1.0 request that asked to keep the connection.
	KeepAlive10 bool
	// Upgrade is the value of the Upgrade field when Connection names it.
	Upgrade []byte
	// Expect100 is an Expect: 100-continue.
	Expect100 bool
	// HasHost tells an absent Host field from an empty one.
	HasHost bool
	// Arena holds joined and unfolded values. The owner of the request may use
	// it too; Reset frees it.
	Arena header.Arena

	scan headScan
}

// Reset makes the request ready for the next head.
func (r *Request) Reset() {
	r.Headers.Reset()
	r.Arena.Reset()
	*r = Request{Headers: r.Headers, Arena: r.Arena}
}

// headScan is how far the search for the end of a head has come, so that a head
// sent byte by byte is looked at once.
type headScan struct {
	at int
}

// ParseRequest parses the head at the beginning of buf. It returns the head's
// length, including empty lines before it, or 0 when more bytes are needed; then
// it is called again with the same bytes and more, at the same or another
// address. Like Envoy it refuses a wrong request line before the rest has come.
//
// The names in buf are changed to lower case. A nil o is the zero Options.
func ParseRequest(buf []byte, r *Request, o *Options) (n int, err *Error) {
	return 0, nil
}
