package http1

import (
	"testing"

	"github.com/crossgate/crossgate/internal/header"
)

// browserRequest is a fetch of a page's script, as a browser sends it.
const browserRequest = "GET /api/v1/items?limit=20&offset=40 HTTP/1.1\r\n" +
	"Host: api.example.com\r\n" +
	"Connection: keep-alive\r\n" +
	"sec-ch-ua: \"Chromium\";v=\"147\", \"Not.A/Brand\";v=\"99\"\r\n" +
	"sec-ch-ua-mobile: ?0\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0.0.0 Safari/537.36\r\n" +
	"Accept: application/json\r\n" +
	"Origin: https://app.example.com\r\n" +
	"Sec-Fetch-Site: same-site\r\n" +
	"Sec-Fetch-Mode: cors\r\n" +
	"Referer: https://app.example.com/\r\n" +
	"Accept-Encoding: gzip, deflate, br\r\n" +
	"Accept-Language: en-US,en;q=0.9\r\n\r\n"

func BenchmarkParseRequest(b *testing.B) {
	buf, orig := []byte(browserRequest), []byte(browserRequest)
	var r Request
	b.SetBytes(int64(len(orig)))
	b.ReportAllocs()
	for b.Loop() {
		copy(buf, orig)
		r.Reset()
		if n, err := ParseRequest(buf, &r, nil); n != len(orig) || err != nil {
			b.Fatal(n, err)
		}
	}
}

func BenchmarkAppendRequestHead(b *testing.B) {
	var r Request
	if _, err := ParseRequest([]byte(browserRequest), &r, nil); err != nil {
		b.Fatal(err)
	}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendRequestHead(dst[:0], r.Method, r.Target, r.Authority, &r.Headers, NoBody)
	}
}

func BenchmarkParseResponse(b *testing.B) {
	orig := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1234\r\nDate: Mon, 23 Nov 2026 09:34:32 GMT\r\nServer: up\r\nVary: Origin\r\n\r\n")
	buf, method := make([]byte, len(orig)), []byte("GET")
	var r Response
	b.ReportAllocs()
	for b.Loop() {
		copy(buf, orig)
		r.Reset()
		if n, err := ParseResponse(buf, method, &r, nil); n != len(orig) || err != nil {
			b.Fatal(n, err)
		}
	}
}

func TestAllocations(t *testing.T) {
	head := "POST /x HTTP/1.1\r\nHost: a\r\nAccept: a\r\nTransfer-Encoding: chunked\r\nAccept: b\r\nX: 1\r\n 2\r\n\r\n"
	body := "2;x=y\r\nhi\r\n0\r\nx-t: 1\r\n\r\n"
	answer := "HTTP/1.1 200 OK\r\nVary: a\r\nVary: b\r\nTransfer-Encoding: chunked\r\n\r\n"
	var (
		req      Request
		resp     Response
		dec      = ChunkDecoder{KeepTrailers: true}
		buf, dst []byte
		h        header.List
	)
	h.Add([]byte("vary"), []byte("Origin"))
	run := func() {
		req.Reset()
		resp.Reset()
		dec.Reset()
		buf = append(buf[:0], head...)
		if n, err := ParseRequest(buf, &req, nil); n == 0 || err != nil {
			t.Fatal(n, err)
		}
		dst = AppendRequestHead(dst[:0], req.Method, req.Target, req.Authority, &h, Chunked)
		buf = append(buf[:0], body...)
		for rest, done := buf, false; !done; {
			_, n, end, err := dec.Next(rest)
			if err != nil {
				t.Fatal(err)
			}
			rest, done = rest[n:], end
		}
		dst = AppendChunkHead(dst, 4096)
		dst = AppendLastChunk(dst, &dec.Trailers)
		buf = append(buf[:0], answer...)
		if n, err := ParseResponse(buf, []byte("GET"), &resp, nil); n == 0 || err != nil {
			t.Fatal(n, err)
		}
		dst = AppendResponseHead(dst, 200, &resp.Headers, Chunked, true)
	}
	for range 10 {
		run()
	}
	if n := testing.AllocsPerRun(1000, run); n != 0 {
		t.Errorf("%v allocations per exchange, want 0", n)
	}
}
