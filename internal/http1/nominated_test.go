package http1

import (
	"bytes"
	"strings"
	"testing"
)

// FuzzNominated: what the connection field names never changes where the request ends
// and how its body is framed, and is not passed on.
func FuzzNominated(f *testing.F) {
	for _, s := range []string{"close", "x-a, close", "content-length", "te, host", "transfer-encoding, Content-Length", ":path", "a,b,c,d,e,f,g,h,i,j", "x-forwarded-for", ", ,,"} {
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, names string, length int) {
		if length < 0 || length > 9 || strings.ContainsAny(names, "\r\n\x00") {
			return
		}
		head := "POST / HTTP/1.1\r\nhost: a\r\nx-a: 1\r\ncontent-length: " + string(rune('0'+length)) + "\r\n"
		var plain, r Request
		n, err := ParseRequest([]byte(head+"\r\n"), &plain, nil)
		if err != nil || n == 0 {
			t.Fatal(err)
		}
		text := []byte(head + "connection: " + names + "\r\n\r\n")
		if n, err = ParseRequest(text, &r, nil); err != nil {
			return
		}
		if n != len(text) || r.Framing != plain.Framing || r.ContentLength != plain.ContentLength {
			t.Errorf("connection: %q: head of %d bytes, framing %v, length %d", names, n, r.Framing, r.ContentLength)
		}
		for _, name := range strings.Split(names, ",") {
			if strings.EqualFold(strings.TrimSpace(name), "x-a") && r.Headers.Has("x-a") {
				t.Errorf("connection: %q: x-a is still there", names)
			}
		}
	})
}

// FuzzProperCase changes the case of names and nothing else, in every line but the
// first.
func FuzzProperCase(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nx-a_b.c9d: v: w\r\ncontent-type: text/html\r\n\r\n")
	f.Add("GET / HTTP/1.1\r\nhost: a\r\n\r\n")
	f.Add("\r\n\r\n")
	f.Fuzz(func(t *testing.T, head string) {
		got := []byte(head)
		ProperCase(got)
		if !bytes.EqualFold(got, []byte(head)) || len(got) != len(head) {
			t.Fatalf("%q has become %q", head, got)
		}
		before, after := strings.Split(head, crlf), strings.Split(string(got), crlf)
		for i := range before {
			_, v, _ := strings.Cut(before[i], ":")
			_, w, _ := strings.Cut(after[i], ":")
			if v != w || i == 0 && before[0] != after[0] {
				t.Errorf("line %d: %q has become %q", i, before[i], after[i])
			}
		}
	})
}
