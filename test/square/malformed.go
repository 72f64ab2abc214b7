package square

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// roots are requests from which malformed ones are made. In them {H} stands for the
// site's host.
var roots = []string{
	"GET /api?x=1 HTTP/1.1\r\nHost: {H}\r\nAccept: */*\r\nx-case-id: @ID\r\n\r\n",
	"POST /api HTTP/1.1\r\nHost: {H}\r\nx-case-id: @ID\r\nContent-Length: 5\r\n\r\nhello",
	"POST /api HTTP/1.1\r\nHost: {H}\r\nTransfer-Encoding: chunked\r\nx-case-id: @ID\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	"PUT /a HTTP/1.1\r\nHost: {H}\r\nx-case-id: @ID\r\nTransfer-Encoding: chunked\r\nTrailer: x-t\r\n\r\n3;ext=1\r\nabc\r\na\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n",
	"HEAD / HTTP/1.1\r\nHost: {H}\r\nx-case-id: @ID\r\nConnection: close\r\n\r\n",
	"OPTIONS /api HTTP/1.1\r\nHost: {H}\r\nOrigin: https://a.test\r\nAccess-Control-Request-Method: PUT\r\nx-case-id: @ID\r\n\r\n",
	"GET http://{H}/abs?y#z HTTP/1.1\r\nHost: other\r\nx-case-id: @ID\r\n\r\n",
	"GET /old HTTP/1.0\r\nHost: {H}\r\nx-case-id: @ID\r\n\r\n",
	"DELETE /a/../b//c HTTP/1.1\r\nHost: {H}:80\r\nX-Long: " + strings.Repeat("v", 200) + "\r\nCookie: a=1\r\nCookie: b=2\r\nx-case-id: @ID\r\n\r\n",
	"GET /up HTTP/1.1\r\nHost: {H}\r\nConnection: Upgrade, x-a\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nX-A: 1\r\nx-case-id: @ID\r\n\r\n",
}

// sparks are what is put into them.
var sparks = []string{
	"\r", "\n", "\r\n", "\r\n\r\n", " ", "\t", "\v", "\x00", "\x01", "\x7f", "\x80", "\xff", ":", ";", ",", "%", "%00", "\"", "#", "@", "[", "]", "{", "\\", "/", "//", "?", "*", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "chunked",
	"0", "-", "+", "_", "A", "é", "\r ", "\n ", "\r\n ", "\r\n\t", "http://", "https://", "ftp://", "0x", "FFFFFFFF", "GET ", "x: y\r\n", "x:y\r\n", "x : y\r\n", "X_Y: z\r\n", "x\r\n", ": y\r\n", "Host: b\r\n", "Host:\r\n",
	"Expect: 100-continue\r\n", "Connection: close\r\n", "Connection: keep-alive\r\n", "Connection: x-forwarded-for\r\n", "Connection: content-length\r\n", "Upgrade: websocket\r\n", "TE: trailers\r\n", "Keep-Alive: 5\r\n", "Content-Length: 0\r\n", "Content-Length: 5\r\n",
	"Transfer-Encoding: chunked\r\n", "Transfer-Encoding: identity\r\n", "Transfer-Encoding: gzip\r\n", "Proxy-Connection: close\r\n", "Cookie: c\r\n", "Referer: x y\r\n", "Content-Type: a/b\r\n", "X-Forwarded-Proto: https\r\n", "X-Request-Id:\r\n",
}

var oddMethods = []string{"get", "FOO", "G ET", "", "QUERY", "PURGE", "CONNECT", "TRACE", "PRI", "LINK", "M-SEARCH", "GETS", "POST"}

// malformed makes a request that is not one, or just one, of a root.
func (g generator) malformed(s *site) probe {
	text := []byte(pick(g, roots...))
	for range 1 + g.IntN(3) {
		text = g.damaged(text)
	}
	// The id of a case is another one for each data plane: it stands in its own
	// header, which the upstream takes away, and nowhere else.
	const own, mark = "x-case-id: @ID\r\n", "\x00own\x00"
	kept := strings.ReplaceAll(string(text), own, mark)
	kept = strings.Replace(strings.ReplaceAll(kept, "@ID", "id"), mark, own, 1)
	text = []byte(strings.ReplaceAll(kept, mark, ""))
	return probe{Site: s, Request: Request{Raw: text, Method: method(text)}}
}

// method is the first word, which tells whether the answer has a body.
func method(text []byte) string {
	word, _, _ := bytes.Cut(bytes.TrimLeft(text, "\r\n"), []byte(" "))
	return string(word)
}

func (g generator) damaged(text []byte) []byte {
	at := g.IntN(len(text) + 1)
	switch g.IntN(10) {
	case 0:
		if len(text) < 2 {
			return text
		}
		from := g.IntN(len(text) - 1)
		return slices.Delete(slices.Clone(text), from, min(len(text), from+1+g.IntN(3)))
	case 1:
		lines := bytes.SplitAfter(text, []byte("\n"))
		i := g.IntN(len(lines))
		return bytes.Join(slices.Insert(lines, g.IntN(len(lines)), lines[i]), nil)
	case 2:
		lines := bytes.SplitAfter(text, []byte("\n"))
		i := g.IntN(len(lines))
		return bytes.Join(slices.Delete(lines, i, i+1), nil)
	case 3, 4:
		// A line at the end of a line.
		if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
			at += i + 1
		}
		line := pick(g, pick(g, codings...), pick(g, lengths...)) + "\r\n"
		return slices.Insert(slices.Clone(text), at, []byte(strings.NewReplacer("{N}", "5", "{H}", "x", "{A}", "/", "{S}", "/").Replace(line))...)
	case 5:
		return append([]byte(pick(g, oddMethods...)), text[min(len(text), len(method(text))):]...)
	case 6:
		return bytes.Replace(text, []byte("HTTP/1."), []byte(pick(g, "HTTP/2.", "HTTP/0.", "http/1.", "HTTP/1", "HTTP/1.1", "HTTX/1.", "HTTP/11.")), 1)
	}
	return slices.Insert(slices.Clone(text), at, []byte(pick(g, sparks...))...)
}

// malformedSite is what such requests are sent to.
func (g generator) malformedSite() *site {
	return &site{
		Manager: pick(g, "plain", "plain", "plain", "merge", "proper", "underscore", "preserve", "edge", "lenient"),
		Host:    object{"routes": []any{object{"match": object{"prefix": "/"}, "route": object{"cluster": "up"}}}},
	}
}

// shorter returns the request without parts of it, the longest first.
func (p probe) shorter() (out []probe) {
	for n := len(p.Request.Raw) / 2; n > 0; n /= 2 {
		for at := 0; at+n <= len(p.Request.Raw); at += n {
			c := p
			c.Request.Raw = slices.Delete(slices.Clone(p.Request.Raw), at, at+n)
			if bytes.Contains(c.Request.Raw, []byte("@ID")) == bytes.Contains(p.Request.Raw, []byte("@ID")) {
				c.Request.Method = method(c.Request.Raw)
				out = append(out, c)
			}
		}
	}
	return out
}

// deliberate are the differences of docs/differences.md that malformed requests can
// show: what the request has in it, and whether the engine refuses it.
var deliberate = []struct {
	why     string
	request *regexp.Regexp
	refused bool
}{
	{"a transfer-encoding with a CR inside", regexp.MustCompile(`(?i)transfer-encoding[^\n]*\r[^\n]`), true},
	{"several transfer-encodings of which one is empty", regexp.MustCompile(`(?is)transfer-encoding:[ \t\r]*\n.*transfer-encoding|transfer-encoding.*transfer-encoding:[ \t\r]*\n`), true},
	{"a transfer-encoding that is folded", regexp.MustCompile(`(?i)transfer-encoding:[^\n]*\n[ \t]`), true},
	{chunkEnd, regexp.MustCompile(`(?is)transfer-encoding:\s*chunked`), true},
	{"framing fields with an underscore", regexp.MustCompile(`(?i)(transfer_encoding|content_length)`), false},
}

// chunkEnd is accepted by Envoy, which may then wait for more.
const chunkEnd = "bytes between the data of a chunk and its line end"

var refusal = regexp.MustCompile(`^=> (400|501)`)

// explained returns the reason of a deliberate difference, or nothing.
func explained(raw []byte, answers [][]string) string {
	for _, d := range deliberate {
		if d.why == chunkEnd && answers[0][0] != "=> 200" && answers[0][0] != "=> timeout" {
			continue
		}
		if d.request.Match(raw) && (!d.refused || refusal.MatchString(answers[len(answers)-1][0])) {
			return d.why
		}
	}
	return ""
}

// quoted is the request in a script.
func (p probe) quoted() string { return fmt.Sprintf("raw: %q", p.Request.Raw) }
