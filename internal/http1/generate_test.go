package http1

import (
	"bytes"
	"math/rand/v2"
	"strings"
)

func pick(r *rand.Rand, s ...string) string { return s[r.IntN(len(s))] }

// oddRequest makes a request that is mostly right and somewhere odd: in its line,
// its fields, its framing, its line ends, or by a byte that was put in, changed or
// taken out anywhere.
func oddRequest(r *rand.Rand) []byte {
	var b bytes.Buffer
	eol := func() string {
		if r.IntN(12) == 0 {
			return pick(r, "\n", "\r\r\n", " \r\n", "\t\n")
		}
		return "\r\n"
	}
	if r.IntN(15) == 0 {
		b.WriteString(pick(r, "\r\n", "\n", "\r", "\r\n\r\n", "\n\r"))
	}
	b.WriteString(oddLine(r) + eol())
	if r.IntN(25) != 0 {
		b.WriteString(pick(r, "Host: ", "host:", "HOST:\t") + oddHost(r) + eol())
	}
	for range r.IntN(5) {
		b.WriteString(oddField(r) + eol())
	}
	body := ""
	switch r.IntN(6) {
	case 0:
		b.WriteString(pick(r, "Content-Length: 5", "content-length:5", "Content-Length: 05", "Content-Length: 5\r\n ", "Content-Length:\r\n 5") + eol())
		body = "hello"
	case 1:
		b.WriteString(oddFraming(r) + eol())
		body = "hello"
	case 2, 3:
		b.WriteString(pick(r, "Transfer-Encoding: chunked", "transfer-encoding:CHUNKED", "Transfer-Encoding:\r\n chunked") + eol())
		body = oddChunks(r)
	}
	b.WriteString(pick(r, "\r\n", "\r\n", "\r\n", "\n"))
	b.WriteString(body)
	out := b.Bytes()
	if r.IntN(4) == 0 {
		out = mutate(r, out)
	}
	return out
}

func oddLine(r *rand.Rand) string {
	method := pick(r, "GET", "GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "CONNECT", "PURGE", "get", "FOO", "G@T", "GETT", "TRACE")
	target := pick(r, "/", "/x", "/x?y=z", "/a/../b", "//", "/%zz", "/x#f", "*", "*x", "x", "", "/\x80", "/\"<>", "?q",
		"http://h/x", "http://h", "https://h:8/x?y", "HTTP://u:p@H/x", "http://h?q", "http:///x", "http://h:/x", "http://h:99999/x",
		"http://[::1]/x", "http://[::1]:80/x", "http://[zz]/", "ftp://h/x", "http:/h", "1http://h/", "http://a_b/", "h:80", "h", "u@h:80", "[::1]:80", "http://a@@b/x")
	version := pick(r, "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1", "HTTP/1.", "HTTP/11", "HTTP/1.10", "")
	if r.IntN(3) != 0 {
		method, version = pick(r, "GET", "POST", "OPTIONS"), "HTTP/1.1"
	}
	if r.IntN(3) != 0 {
		target = "/x"
	}
	gap := func() string { return pick(r, " ", " ", " ", " ", " ", " ", "\t", "  ", " \t", "\r") }
	line := method + gap() + target
	if version != "" || r.IntN(2) == 0 {
		line += gap() + version
	}
	if r.IntN(20) == 0 {
		line = pick(r, " ", "\t", "x") + line
	}
	return line
}

func oddHost(r *rand.Rand) string {
	if r.IntN(3) != 0 {
		return "h"
	}
	return pick(r, "", "a.test:80", "A.Test", "u@a", "a,b", "[::1]", "a b", "a/b", "a?b", "a#b", "a<b", "a\\b", "a\x80", "a_b", "a%b", "a\"b", "a\r\n b", "a\rb", "a\r\nHost: b", "\r\nHost: b")
}

func oddField(r *rand.Rand) string {
	name := pick(r, "X-A", "x-b", "Accept", "Origin", "Cookie", "Via", "x_u", "Sec-Fetch-Mode", "User-Agent", "!#$%&'*+-.^_`|~9")
	if r.IntN(8) == 0 {
		name = pick(r, "", " ", "X-A ", "X\tA", "X(", "X\x80", "X\x00", "X:Y", "\rX", "X\r", "X", " X")
	}
	value := pick(r, "1", "", "a b", "\xff\x80", "a,b", "\"q\"", strings.Repeat("v", r.IntN(300)))
	if r.IntN(4) == 0 {
		value = pick(r, "1\r\n 2", "1\n\t2", "\r\n 2", "1\r\n ", "1\r2", "\r1", "1\r \r", "a\tb", "\t a \t", "a\x00", "a\x1f", "a\x7f", "a\x0b", "1\r\n 2\r\n 3", "1\r\n2")
	}
	switch r.IntN(30) {
	case 0:
		return pick(r, "Connection: close", "Connection: keep-alive", "Connection: keep-alive, Close", "Proxy-Connection: close", "Connection: y\r\nConnection: close")
	case 1:
		return pick(r, "Upgrade: foo\r\nConnection: Upgrade", "Upgrade: h2c\r\nConnection: upgrade, HTTP2-Settings\r\nHTTP2-Settings: AA", "Upgrade: foo", "Connection: upgrade")
	case 2:
		return pick(r, "Expect: 100-continue", "Expect: x", "TE: trailers", "Keep-Alive: 5")
	case 3:
		return strings.TrimSuffix(strings.Repeat(pick(r, "X-A: 1\r\n", "Accept: 1\r\n"), 95+r.IntN(10)), "\r\n")
	case 4:
		if r.IntN(4) == 0 {
			return "X-L: " + strings.Repeat("v", 61000+r.IntN(600))
		}
	case 5:
		return name
	}
	return name + pick(r, ": ", ": ", ":", ":\t", ":  ") + value
}

func oddFraming(r *rand.Rand) string {
	return pick(r, "Content-Length: 5\r\nContent-Length: 5", "Content-Length: 5, 5", "Content-Length: +5", "Content-Length: -5", "Content-Length: 0x5",
		"Content-Length: ", "Content-Length: 5 5", "Content-Length: 1\r\n 2", "Content-Length: 1\r2", "Content-Length: 5;", "Content-Length: 99999999999999999999999",
		"Content-Length : 5", "Content_Length: 5", "Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 0",
		"Transfer-Encoding: gzip", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, gzip", "Transfer-Encoding: identity", "Transfer-Encoding: ",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "Transfer-Encoding: xchunked",
		"Transfer-Encoding: chunked;q=1", "Transfer-Encoding : chunked", "Transfer-Encoding: \"chunked\"", "Transfer-Encoding: chunked,",
		"Transfer-Encoding: chun\rked", "Transfer-Encoding: chunked\r\nTransfer-Encoding:", "Transfer-Encoding:\r\nTransfer-Encoding: chunked", "Content-Length: 0")
}

func oddChunks(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(3) {
		b.WriteString(pick(r, "5\r\nhello\r\n", "05\r\nhello\r\n", "a\r\n0123456789\r\n", "A;x=y\r\n0123456789\r\n", "5 \r\nhello\r\n", "5\t;x\r\nhello\r\n", "1\r\n\r\r\n", "2\r\n\r\n\r\n"))
	}
	if r.IntN(3) == 0 {
		b.WriteString(pick(r, "5\nhello\r\n", "5\r\nhello\n", "5\r\nhello", "5\r\nhello\r\r\n", "\r\n", "g\r\n", "-1\r\n", "+5\r\nhello\r\n", "0x5\r\nhello\r\n", " 5\r\nhello\r\n",
			"5\r\r\nhello\r\n", "5;\n\r\nhello\r\n", "5;\r\r\nhello\r\n", "5;\x00\r\nhello\r\n", "5,\r\nhello\r\n", "5 x\r\nhello\r\n", "10000000000000000\r\n", "5\r\nhello \r\n", "5\r\nhello\rx\r\n", ";\r\n"))
	}
	b.WriteString(pick(r, "0\r\n", "0\r\n", "0\r\n", "00\r\n", "0;x\r\n", "0\n"))
	if r.IntN(4) == 0 {
		b.WriteString(pick(r, "x-t: 1\r\n", "x-t: 1\n", "x-t\r\n", " x-t: 1\r\n", "x-t : 1\r\n", "x-t: \x01\r\n", "content-length: 3\r\n", "transfer-encoding: chunked\r\n", "x: 1\r\n 2\r\n"))
	}
	b.WriteString(pick(r, "\r\n", "\r\n", "\r\n", "\n"))
	return b.String()
}

// mutate puts in, changes or takes out a byte.
func mutate(r *rand.Rand, b []byte) []byte {
	at := r.IntN(len(b))
	c := byte(r.IntN(256))
	if r.IntN(2) == 0 {
		c = "\r\n\t :,;/\x00\x7f"[r.IntN(10)]
	}
	switch r.IntN(3) {
	case 0:
		return append(append(bytes.Clone(b[:at]), c), b[at:]...)
	case 1:
		b[at] = c
		return b
	}
	return append(bytes.Clone(b[:at]), b[at+1:]...)
}
