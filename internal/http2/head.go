package http2

import (
	"errors"
	"math"

	"github.com/crossgate/crossgate/internal/header"
)

// Head is the head of a request or an answer, or trailers. It belongs to its
// stream.
type Head struct {
	Method, Scheme, Authority, Path []byte // of a request
	// HasAuthority tells an absent :authority and host from empty ones.
	HasAuthority bool
	Status       int // of an answer
	// Headers are the fields in order, names in lower case; host is not among
	// them, it is the Authority if there was no :authority.
	Headers header.List
	// ContentLength is that of the field content-length, or -1.
	ContentLength int64

	arena header.Arena
}

// maxKeptHead bounds the memory for one head that is kept for the next one, in bytes.
const maxKeptHead = 16 << 10

// reset makes the head an empty one.
func (h *Head) reset() {
	fields, arena := h.Headers.Fields[:0], h.arena
	if arena.Reset(); arena.Cap() > maxKeptHead {
		fields, arena = nil, header.Arena{}
	}
	*h = Head{Headers: header.List{Fields: fields}, ContentLength: -1, arena: arena}
}

var hCookie = []byte("cookie")

// kinds of heads.
type headKind uint8

const (
	requestHead headKind = iota
	responseHead
	trailerHead
)

// What can be wrong with a head.
var (
	errTooLarge  = errors.New("the head is too large")
	errMalformed = errors.New("the head is malformed")
)

// headReader collects the fields of one header block. Errors are kept until the
// block has ended: the decoder's tables have to see all of it.
type headReader struct {
	opts    *Options
	kind    headKind
	head    *Head
	size    int
	seen    uint8 // pseudo fields
	regular bool
	cookie  []byte
	err     error
}

// begin begins a head, which loses what it had.
func (r *headReader) begin(kind headKind, h *Head) {
	h.reset()
	r.kind, r.head = kind, h
	r.size, r.seen, r.regular, r.err = 0, 0, false, nil
	if r.cookie = r.cookie[:0]; cap(r.cookie) > maxKeptHead {
		r.cookie = nil
	}
}

// Bits of headReader.seen.
const (
	seenMethod = 1 << iota
	seenScheme
	seenAuthority
	seenPath
	seenStatus
)

// field takes the next field (RFC 9113 sections 8.2 and 8.3).
func (r *headReader) field(f *field) {
	if r.err != nil {
		return
	}
	r.size += len(f.name) + len(f.value)
	if r.size > r.opts.MaxHeaderBytes {
		r.err = errTooLarge
		return
	}
	if !f.valid {
		r.err = errMalformed
		return
	}
	if f.kind.pseudo() {
		r.err = r.pseudo(f)
		return
	}
	r.regular = true
	r.err = r.regularField(f)
}

func (r *headReader) pseudo(f *field) error {
	var bit uint8
	var dst *[]byte
	h := r.head
	switch f.kind {
	case kindMethod:
		bit, dst = seenMethod, &h.Method
	case kindScheme:
		bit, dst = seenScheme, &h.Scheme
	case kindAuthority:
		bit, dst = seenAuthority, &h.Authority
	case kindPath:
		bit, dst = seenPath, &h.Path
	case kindStatus:
		bit = seenStatus
	}
	if bit == 0 || r.regular || r.seen&bit != 0 || (bit == seenStatus) != (r.kind == responseHead) || r.kind == trailerHead {
		return errMalformed
	}
	r.seen |= bit
	if bit == seenStatus {
		n, ok := parseLength(f.value)
		if !ok || len(f.value) != 3 || n < 100 {
			return errMalformed
		}
		h.Status = int(n)
		return nil
	}
	*dst = h.arena.Copy(f.value)
	h.HasAuthority = h.HasAuthority || bit == seenAuthority
	return nil
}

func (r *headReader) regularField(f *field) error {
	h := r.head
	switch f.kind {
	case kindConnection:
		return errMalformed // section 8.2.2
	case kindTE:
		if string(f.value) != "trailers" {
			return errMalformed
		}
	case kindHost:
		if r.kind == requestHead {
			if !h.HasAuthority {
				h.Authority, h.HasAuthority = h.arena.Copy(f.value), true
			}
			return nil
		}
	case kindContentLength:
		n, ok := parseLength(f.value)
		if !ok || h.ContentLength >= 0 && h.ContentLength != n {
			return errMalformed
		}
		if h.ContentLength >= 0 {
			return nil
		}
		h.ContentLength = n
	case kindCookie:
		// Crumbs become one field again (section 8.2.3), which Envoy puts last.
		if len(r.cookie) > 0 {
			r.cookie = append(r.cookie, "; "...)
		}
		r.cookie = append(r.cookie, f.value...)
		return nil
	}
	if len(h.Headers.Fields) >= r.opts.MaxHeaders {
		return errTooLarge
	}
	name := f.name
	if !f.static {
		name = h.arena.Copy(name)
	}
	h.Headers.Add(name, h.arena.Copy(f.value))
	return nil
}

// parseLength reads a number of digits only.
func parseLength(b []byte) (n int64, ok bool) {
	for _, c := range b {
		d := int64(c) - '0'
		if d < 0 || d > 9 || n > (math.MaxInt64-d)/10 {
			return 0, false
		}
		n = 10*n + d
	}
	return n, len(b) > 0
}

// end checks the head as a whole.
func (r *headReader) end() error {
	if r.err != nil {
		return r.err
	}
	if len(r.cookie) > 0 {
		r.head.Headers.Add(hCookie, r.head.arena.Copy(r.cookie))
	}
	switch r.kind {
	case requestHead:
		const all = seenMethod | seenScheme | seenPath
		if string(r.head.Method) == "CONNECT" {
			if r.seen&(seenScheme|seenPath) != 0 || r.seen&seenAuthority == 0 {
				return errMalformed
			}
			return nil
		}
		if r.seen&all != all || len(r.head.Path) == 0 || len(r.head.Method) == 0 || !validPath(r.head) || !r.head.HasAuthority {
			return errMalformed
		}
	case responseHead:
		if r.seen&seenStatus == 0 {
			return errMalformed
		}
	}
	return nil
}

// validPath reports whether the path begins as one (section 8.3.1).
func validPath(h *Head) bool {
	return h.Path[0] == '/' || string(h.Path) == "*" && string(h.Method) == "OPTIONS"
}

// validName reports whether a name is a token in lower case.
func validName(s []byte) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case c == '!', c == '#', c == '$', c == '%', c == '&', c == '\'', c == '*', c == '+', c == '-', c == '.', c == '^', c == '_',
			c == '`', c == '|', c == '~':
		default:
			return false
		}
	}
	return len(s) > 0
}

// validValue reports whether a value has no control characters and no blank at
// its ends (RFC 9113 section 8.2.1).
func validValue(s []byte) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return len(s) == 0 || !blank(s[0]) && !blank(s[len(s)-1])
}

func blank(c byte) bool { return c == ' ' || c == '\t' }
