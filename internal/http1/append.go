package http1

import "github.com/crossgate/crossgate/internal/header"

// AppendRequestHead appends a request head as Envoy writes it: host first, then
// h's fields as they are, then transfer-encoding for a chunked body. The caller
// keeps connection, content-length and transfer-encoding out of h or in it as
// they should appear.
func AppendRequestHead(dst, method, target, host []byte, h *header.List, f Framing) []byte {
	return dst
}

// AppendResponseHead appends a response head as Envoy writes it: h's fields, then
// connection: close if the connection ends, then transfer-encoding for a
// chunked body.
func AppendResponseHead(dst []byte, status int, h *header.List, f Framing, close bool) []byte {
	return dst
}

// AppendChunkHead appends the line before a chunk of size bytes. After the chunk
// belongs "\r\n".
func AppendChunkHead(dst []byte, size int) []byte { return dst }

// AppendLastChunk appends the last chunk with the trailers, which may be nil.
func AppendLastChunk(dst []byte, trailers *header.List) []byte { return dst }

// ReasonPhrase returns Envoy's words for the status, "Unknown" if it has none.
func ReasonPhrase(status int) string { return "Unknown" }
