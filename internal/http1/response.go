package http1

import "github.com/crossgate/crossgate/internal/header"

// DefaultMaxResponseHeadBytes is the largest head of a response in bytes where
// Options leaves it zero; Envoy allows upstreams more than clients.
const DefaultMaxResponseHeadBytes = 80 << 10

// Response is a parsed response head. The rules for memory are Request's.
type Response struct {
	Minor  int // 0 or 1
	Status int // 100 to 999
	// Headers are all fields in order, names in lower case, values trimmed,
	// repeated fields joined as in Request (by another table).
	Headers header.List
	// FieldBytes is as that of a Request.
	FieldBytes int
	Framing    Framing
	// ContentLength is the body's length in bytes with Framing Length, 0 with
	// NoBody, else -1. For HEAD and 304 the field's own value is in Headers.
	ContentLength int64
	// Close says that the connection cannot be used again after this response.
	Close bool
	// Upgrade is a 101 response: what follows is not HTTP/1.
	Upgrade bool
	// Arena holds joined and unfolded values; Reset frees it.
	Arena header.Arena

	scan headScan
}

// Reset makes the response ready for the next head.
func (r *Response) Reset() {
	resetList(&r.Headers)
	r.Arena.Reset()
	*r = Response{Headers: r.Headers, Arena: r.Arena}
}

// ParseResponse parses the head at the beginning of buf: the answer to a request
// with the given method, which decides whether a body follows. It returns the
// head's length, or 0 when more bytes are needed, as ParseRequest does. Interim
// responses (1xx) are returned like any other; Reset before parsing the next.
//
// Unlike Envoy it refuses status codes of more than three digits and several
// transfer-encoding fields of which all but one are empty.
func ParseResponse(buf, method []byte, r *Response, o *Options) (n int, err *Error) {
	if o == nil {
		o = &defaultOptions
	}
	limit := o.MaxHeadBytes
	if limit == 0 {
		limit = DefaultMaxResponseHeadBytes
	}
	if len(buf) > 0 && buf[0] != 'H' {
		return 0, errStatusLine
	}
	ok, err := r.scan.firstLine(buf, limit)
	if ok && err == nil {
		n, err = r.scan.end(buf, limit)
	}
	if err != nil {
		return 0, fromUpstream(err)
	}
	if n == 0 {
		return 0, nil
	}
	if err := r.parseHead(buf[:n], method, o); err != nil {
		return 0, fromUpstream(err)
	}
	return n, nil
}

func (r *Response) parseHead(head, method []byte, o *Options) *Error {
	line, lines := head[:r.scan.lineEnd], head[r.scan.lineEnd:]
	if err := r.parseStatusLine(line); err != nil {
		return err
	}
	p := fieldParser{list: &r.Headers, arena: &r.Arena, joined: joinedResponse}
	if err := p.parse(lines); err != nil {
		return err
	}
	r.FieldBytes = p.size
	if len(r.Headers.Fields) > o.maxHeaders() {
		return errTooMany
	}
	var m message
	m.read(&r.Headers)
	if p.repeated&responseCoding != 0 {
		m.coding, m.manyCodings = p.coding, true
	}
	if err := r.frame(&m, method); err != nil {
		return err
	}
	r.Upgrade = r.Status == 101
	r.Close = m.closes(r.Minor) || r.Framing == UntilClose
	return nil
}

// parseStatusLine reads version and status; the reason is not kept.
func (r *Response) parseStatusLine(line []byte) *Error {
	if hasControl(line) {
		return errControl
	}
	version, rest := cutBlank(line)
	status, _ := cutBlank(rest)
	if !isVersion(version) || len(status) != 3 {
		return errStatusLine
	}
	n, ok := parseDecimal(status)
	if !ok || n < 100 {
		return errStatusLine
	}
	if string(version) == "HTTP/1.1" {
		r.Minor = 1
	}
	r.Status = int(n)
	return nil
}

// frame decides where the body ends (RFC 9112, 6.3, with Envoy's refusals).
func (r *Response) frame(m *message, method []byte) *Error {
	f, length, _, err := m.framing(false)
	if err != nil {
		return err
	}
	empty := r.Status < 200 || r.Status == 204
	switch {
	case empty && (f != NoBody || m.lengths > 0 && r.Status < 200):
		return errUpBody
	case empty:
		// A 204 may say content-length: 0; Envoy takes the field out.
		r.Headers.Remove("content-length")
	case r.Status == 304 || string(method) == "HEAD":
		f, length = NoBody, 0
	case f == NoBody && m.lengths == 0:
		f, length = UntilClose, -1
	}
	r.Framing, r.ContentLength = f, length
	return nil
}
