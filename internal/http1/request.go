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
	// FieldBytes is the length of all field lines as they came, without the blanks
	// around values: what Envoy counts as the bytes of the head.
	FieldBytes int
	Framing    Framing
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
	resetList(&r.Headers)
	r.Arena.Reset()
	*r = Request{Headers: r.Headers, Arena: r.Arena}
}

// ParseRequest parses the head at the beginning of buf. It returns the head's
// length, including empty lines before it, or 0 when more bytes are needed; then
// it is called again with the same bytes and more, at the same or another
// address. Like Envoy it refuses a wrong request line before the rest has come.
// r must have been Reset between heads; after an error it is of no use.
//
// The names in buf are changed to lower case. A nil o is the zero Options.
//
// An absent Host field is not an error here: HasHost tells. Neither is a target
// that does not begin with "/" (OPTIONS *, or an absolute-form one under
// RefuseAbsoluteURL).
func ParseRequest(buf []byte, r *Request, o *Options) (n int, err *Error) {
	if o == nil {
		o = &defaultOptions
	}
	limit, checked := o.maxHead(), r.scan.lineEnd > 0
	if ok, err := r.scan.firstLine(buf, limit); !ok || err != nil {
		return 0, err
	}
	if !checked {
		if err := r.parseRequestLine(buf[r.scan.start:r.scan.lineEnd], o); err != nil {
			return 0, err
		}
	}
	n, err = r.scan.end(buf, limit)
	if n == 0 || err != nil {
		return 0, err
	}
	if checked {
		// The buffer may have moved since the line was checked.
		if err := r.parseRequestLine(buf[r.scan.start:r.scan.lineEnd], o); err != nil {
			return 0, err
		}
	}
	if r.scan.control {
		return 0, errControl
	}
	if err := r.parseHead(buf[r.scan.lineEnd:n], o); err != nil {
		return 0, err
	}
	return n, nil
}

// defaultOptions stand in for nil ones.
var defaultOptions Options

// parseHead reads the fields and what follows from them. The order of the checks
// is Envoy's, as far as it decides about the status.
func (r *Request) parseHead(lines []byte, o *Options) *Error {
	p := fieldParser{list: &r.Headers, arena: &r.Arena, joined: joinedRequest, underscore: o.Underscore}
	if err := p.parse(lines); err != nil {
		return err
	}
	r.FieldBytes = p.size
	if len(r.Headers.Fields) > o.maxHeaders() {
		return errTooMany
	}
	r.takeHost()
	var m message
	m.read(&r.Headers)
	if p.repeated&requestCoding != 0 {
		m.coding, m.manyCodings = p.coding, true
	}
	if err := r.frame(&m, o); err != nil {
		return err
	}
	if m.upgrades() {
		r.takeUpgrade(m.upgrade)
	}
	if r.Upgrade == nil {
		if err := r.dropNominated(); err != nil {
			return err
		}
	}
	named, err := r.resolveTarget(o)
	if err != nil {
		return err
	}
	if r.Minor == 0 && !o.AcceptHTTP10 {
		return errLowVersion
	}
	if !named && !all(r.Authority, isAuthority) {
		return errAuthority
	}
	r.Close = m.closes(r.Minor)
	r.KeepAlive10 = r.Minor == 0 && !r.Close
	r.Expect100 = m.expect != nil && equalFold(m.expect, "100-continue")
	return nil
}

// takeHost moves the Host field out of the list.
func (r *Request) takeHost() {
	if i := r.Headers.Index("host"); i >= 0 {
		r.Authority, r.HasHost = r.Headers.Fields[i].Value, true
		r.Headers.Fields = append(r.Headers.Fields[:i], r.Headers.Fields[i+1:]...)
	}
}

func (r *Request) frame(m *message, o *Options) *Error {
	f, length, drop, err := m.framing(o.AllowChunkedLength)
	if err != nil {
		return err
	}
	if string(r.Method) == "CONNECT" && f != NoBody {
		if f == Chunked {
			return errTransferCoding
		}
		return errConnectBody
	}
	if drop {
		r.Headers.Remove("content-length")
	}
	r.Framing, r.ContentLength = f, length
	return nil
}

// takeUpgrade notes the protocol the client asks for. Envoy's HTTP/1 listener
// does not go over to HTTP/2: it takes the request for h2c out and goes on.
func (r *Request) takeUpgrade(protocol []byte) {
	if equalFold(protocol, "h2c") {
		r.Headers.Remove("upgrade")
		r.Headers.Remove("http2-settings")
		return
	}
	r.Upgrade = protocol
	if r.Upgrade == nil {
		r.Upgrade = noBytes
	}
}

// noBytes is an empty value that is not nil.
var noBytes = []byte{}

// maxKeptFields bounds the memory that a list keeps from one head to the next:
// Envoy counts fields after joining, so that a head of the allowed size can hold
// thousands.
const maxKeptFields = 4 * DefaultMaxHeaders

func resetList(l *header.List) {
	if cap(l.Fields) > maxKeptFields {
		l.Fields = nil
	}
	l.Reset()
}
