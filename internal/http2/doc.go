// Package http2 is HTTP/2 (RFC 9113): frames and header blocks on byte slices,
// and the Session that runs a server's or a client's side of a connection with
// them. A Stream is used in blocking style by the goroutine that serves a
// request, and by a second one that moves the request's body.
//
// Everything that the other side can make big has a limit (Options), and
// everything that it can repeat for nothing is counted: frames without content,
// settings, pings, resets. In the steady state a session allocates nothing; of
// golang.org/x/net/http2/hpack only Huffman's code is used.
package http2
