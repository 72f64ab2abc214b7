package http1

// Limits of Envoy's codec, in force where Options leaves them zero.
const (
	// DefaultMaxHeadBytes is the largest head in bytes, from the first byte of
	// the request line to the blank line's end (max_request_headers_kb: 60).
	DefaultMaxHeadBytes = 60 << 10
	// DefaultMaxHeaders is the largest number of fields (max_headers_count).
	DefaultMaxHeaders = 100
)

// UnderscoreAction says what happens to fields whose name holds an underscore
// (headers_with_underscores_action).
type UnderscoreAction uint8

const (
	// AllowUnderscore keeps the field.
	AllowUnderscore UnderscoreAction = iota
	// RejectUnderscore refuses the message.
	RejectUnderscore
	// DropUnderscore leaves the field out.
	DropUnderscore
)

// Options are the settings of the codec that Envoy has too. The zero value is
// Envoy's default.
type Options struct {
	MaxHeadBytes       int              // bytes of a whole head; 0 is DefaultMaxHeadBytes
	MaxHeaders         int              // number of fields; 0 is DefaultMaxHeaders
	AllowCustomMethods bool             // accept any token as a method
	RefuseAbsoluteURL  bool             // leave an absolute-form target as it is (allow_absolute_url: false)
	AcceptHTTP10       bool             // accept HTTP/1.0 requests instead of 426
	AllowChunkedLength bool             // Transfer-Encoding wins over Content-Length instead of 400
	Underscore         UnderscoreAction // fields with an underscore in the name
}

func (o *Options) maxHead() int {
	if o == nil || o.MaxHeadBytes == 0 {
		return DefaultMaxHeadBytes
	}
	return o.MaxHeadBytes
}

func (o *Options) maxHeaders() int {
	if o == nil || o.MaxHeaders == 0 {
		return DefaultMaxHeaders
	}
	return o.MaxHeaders
}
