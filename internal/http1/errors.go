package http1

// Error is a refused message. Values are made once, never per message, and can
// be compared by address.
type Error struct {
	// Status is the answer's status code: of the request's kind for a bad
	// request, 502 for a bad response. The connection is closed after it.
	Status int
	// Details are Envoy's response code details.
	Details string
	// Message says what is wrong, for people.
	Message string
}

// Error returns the details and the message.
func (e *Error) Error() string { return e.Details + ": " + e.Message }

func refused(status int, details, message string) *Error {
	return &Error{Status: status, Details: details, Message: message}
}

// The refusals of a request. Several messages share Envoy's general details
// http1.codec_error.
var (
	errFirstByte      = refused(400, "http1.codec_error", "the first byte cannot begin a request")
	errMethod         = refused(400, "http1.codec_error", "unknown method")
	errRequestLine    = refused(400, "http1.codec_error", "malformed request line")
	errVersion        = refused(400, "http1.codec_error", "malformed HTTP version")
	errTarget         = refused(400, "http1.codec_error", "malformed request target")
	errFieldName      = refused(400, "http1.codec_error", "malformed field name")
	errFold           = refused(400, "http1.codec_error", "a folded line without a field before it")
	errLength         = refused(400, "http1.codec_error", "malformed or repeated content-length")
	errControl        = refused(400, "http1.invalid_characters", "a control character in the head")
	errURL            = refused(400, "http1.invalid_url", "malformed URL in the request line")
	errScheme         = refused(400, "http1.invalid_scheme", "the request target's scheme is neither http nor https")
	errAuthority      = refused(400, "http.invalid_authority", "malformed host")
	errUnderscore     = refused(400, "http1.unexpected_underscore", "a field name with an underscore")
	errLengthChunked  = refused(400, "http1.content_length_and_chunked_not_allowed", "content-length beside transfer-encoding")
	errNominated      = refused(400, "http1.connection_header_rejected", "the connection field names what it may not")
	errConnectBody    = refused(400, "http1.body_disallowed", "CONNECT with a body")
	errTooLarge       = refused(431, "http1.headers_too_large", "the head is too large")
	errTooMany        = refused(431, "http1.too_many_headers", "too many fields")
	errLowVersion     = refused(426, "low_version", "a version other than HTTP/1.1")
	errTransferCoding = refused(501, "http1.invalid_transfer_encoding", "a transfer coding other than chunked")
	errChunk          = refused(400, "http1.codec_error", "malformed chunk")
	errChunkEnd       = refused(400, "http1.codec_error", "a chunk does not end where its size says")
)

// The refusals of a response: Envoy answers 502 for all of them.
var (
	errStatusLine = refused(502, "http1.codec_error", "malformed status line")
	errUpstream   = refused(502, "http1.codec_error", "malformed response")
	errUpControl  = refused(502, "http1.invalid_characters", "a control character in the response's head")
	errUpTooLarge = refused(502, "http1.headers_too_large", "the response's head is too large")
	errUpTooMany  = refused(502, "http1.too_many_headers", "too many fields in the response")
	errUpCoding   = refused(502, "http1.invalid_transfer_encoding", "the response has a transfer coding other than chunked")
	errUpFraming  = refused(502, "http1.content_length_and_chunked_not_allowed", "the response has content-length beside transfer-encoding")
	errUpBody     = refused(502, "http1.body_disallowed", "a response without a body announces one")
)

// fromUpstream returns the response's refusal for the same fault of a request.
func fromUpstream(e *Error) *Error {
	switch e {
	case errStatusLine, errUpBody:
		return e
	case errControl:
		return errUpControl
	case errTooLarge:
		return errUpTooLarge
	case errTooMany:
		return errUpTooMany
	case errTransferCoding:
		return errUpCoding
	case errLengthChunked:
		return errUpFraming
	}
	return errUpstream
}
