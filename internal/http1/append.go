package http1

import (
	"bytes"
	"strconv"

	"github.com/crossgate/crossgate/internal/header"
)

// AppendRequestHead appends a request head as Envoy writes it: host first, then
// h's fields as they are, then what the framing adds. The caller keeps
// hop-by-hop fields and transfer-encoding out of h.
//
//   - Length: h has the content-length; if it has none, the body is empty and
//     "content-length: 0" is added at the end (see NeedsLength).
//   - Chunked: "transfer-encoding: chunked" is added at the end.
//   - NoBody adds nothing.
func AppendRequestHead(dst, method, target, host []byte, h *header.List, f Framing) []byte {
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(dst, target...)
	dst = append(dst, " HTTP/1.1\r\nhost: "...)
	dst = append(dst, host...)
	dst = append(dst, crlf...)
	dst = appendFields(dst, h)
	dst = appendFraming(dst, h, f)
	return append(dst, crlf...)
}

// AppendResponseHead appends a response head as Envoy writes it: h's fields, then
// "connection: close" if the connection ends after the response, then what the
// framing adds, as in AppendRequestHead. UntilClose adds nothing. Envoy writes
// Chunked even for the answer to HEAD if h has no content-length.
func AppendResponseHead(dst []byte, status int, h *header.List, f Framing, close bool) []byte {
	dst = appendStatusLine(dst, status)
	dst = appendFields(dst, h)
	if close {
		dst = append(dst, "connection: close\r\n"...)
	}
	dst = appendFraming(dst, h, f)
	return append(dst, crlf...)
}

func appendStatusLine(dst []byte, status int) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = append(dst, ReasonPhrase(status)...)
	return append(dst, crlf...)
}

func appendFields(dst []byte, h *header.List) []byte {
	for i := range h.Fields {
		f := &h.Fields[i]
		dst = append(dst, f.Name...)
		dst = append(dst, ": "...)
		dst = append(dst, f.Value...)
		dst = append(dst, crlf...)
	}
	return dst
}

// ProperCase writes the names in a head, or the names in its lines after the first,
// as Envoy's proper_case_words does: the first letter of each word in upper case,
// where everything but letters and digits ends a word.
func ProperCase(head []byte) {
	_, lines, _ := bytes.Cut(head, []byte(crlf))
	for len(lines) > 2 {
		upper := true
		i := 0
		for ; i < len(lines) && lines[i] != ':'; i++ {
			c := lines[i]
			if upper && 'a' <= c && c <= 'z' {
				lines[i] = c - ('a' - 'A')
			}
			upper = !isAlpha(c) && !isDigit(c)
		}
		_, lines, _ = bytes.Cut(lines[i:], []byte(crlf))
	}
}

func appendFraming(dst []byte, h *header.List, f Framing) []byte {
	switch f {
	case Chunked:
		return append(dst, "transfer-encoding: chunked\r\n"...)
	case Length:
		if !h.Has("content-length") {
			return append(dst, "content-length: 0\r\n"...)
		}
	}
	return dst
}
