package http2

import (
	"errors"
	"strconv"

	"golang.org/x/net/http2/hpack"

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
}

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

// Bits of headReader.seen.
const (
	seenMethod = 1 << iota
	seenScheme
	seenAuthority
	seenPath
	seenStatus
)

// field takes the next field (RFC 9113 sections 8.2 and 8.3).
func (r *headReader) field(f hpack.HeaderField) {
	if r.err != nil {
		return
	}
	r.size += len(f.Name) + len(f.Value)
	if r.size > r.opts.MaxHeaderBytes {
		r.err = errTooLarge
		return
	}
	if len(f.Name) > 0 && f.Name[0] == ':' {
		r.err = r.pseudo(f.Name, f.Value)
		return
	}
	r.regular = true
	r.err = r.regularField(f.Name, f.Value)
}

func (r *headReader) pseudo(name, value string) error {
	var bit uint8
	var dst *[]byte
	h := r.head
	switch name {
	case ":method":
		bit, dst = seenMethod, &h.Method
	case ":scheme":
		bit, dst = seenScheme, &h.Scheme
	case ":authority":
		bit, dst = seenAuthority, &h.Authority
	case ":path":
		bit, dst = seenPath, &h.Path
	case ":status":
		bit = seenStatus
	}
	if bit == 0 || r.regular || r.seen&bit != 0 || (bit == seenStatus) != (r.kind == responseHead) || r.kind == trailerHead || !validValue(value) {
		return errMalformed
	}
	r.seen |= bit
	if bit == seenStatus {
		n, err := strconv.Atoi(value)
		if err != nil || len(value) != 3 || n < 100 {
			return errMalformed
		}
		h.Status = n
		return nil
	}
	*dst = []byte(value)
	h.HasAuthority = h.HasAuthority || bit == seenAuthority
	return nil
}

func (r *headReader) regularField(name, value string) error {
	h := r.head
	if !validName(name) || !validValue(value) {
		return errMalformed
	}
	switch name {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
		return errMalformed // section 8.2.2
	case "te":
		if value != "trailers" {
			return errMalformed
		}
	case "host":
		if r.kind == requestHead {
			if !h.HasAuthority {
				h.Authority, h.HasAuthority = []byte(value), true
			}
			return nil
		}
	case "content-length":
		n, err := strconv.ParseUint(value, 10, 63)
		if err != nil || h.ContentLength >= 0 && h.ContentLength != int64(n) {
			return errMalformed
		}
		if h.ContentLength >= 0 {
			return nil
		}
		h.ContentLength = int64(n)
	case "cookie":
		// Crumbs become one field again (section 8.2.3), which Envoy puts last.
		if len(r.cookie) > 0 {
			r.cookie = append(r.cookie, "; "...)
		}
		r.cookie = append(r.cookie, value...)
		return nil
	}
	if len(h.Headers.Fields) >= r.opts.MaxHeaders {
		return errTooLarge
	}
	h.Headers.Add([]byte(name), []byte(value))
	return nil
}

// end checks the head as a whole.
func (r *headReader) end() error {
	if r.err != nil {
		return r.err
	}
	if len(r.cookie) > 0 {
		r.head.Headers.Add([]byte("cookie"), r.cookie)
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
func validName(s string) bool {
	if s == "" {
		return false
	}
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
	return true
}

// validValue reports whether a value has no control characters and no blank at
// its ends (RFC 9113 section 8.2.1).
func validValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return s == "" || !blank(s[0]) && !blank(s[len(s)-1])
}

func blank(c byte) bool { return c == ' ' || c == '\t' }
