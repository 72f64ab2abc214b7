package http1

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestFacts checks answers of Envoy 1.40 that were recorded one by one: for each
// line of testdata/requests.txt, which explains its form, the status and the
// response code details.
func TestFacts(t *testing.T) {
	file, err := os.Open("testdata/requests.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	options := map[string]*Options{
		"": nil, "custom": {AllowCustomMethods: true}, "http10": {AcceptHTTP10: true}, "both": {AllowChunkedLength: true},
		"noabs": {RefuseAbsoluteURL: true}, "urej": {Underscore: RejectUnderscore}, "udrop": {Underscore: DropUnderscore},
		"small": {MaxHeadBytes: 1024, MaxHeaders: 5},
	}
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		verdict, quoted, ok := strings.Cut(line, " \"")
		in, err := strconv.Unquote("\"" + quoted)
		want, option, _ := strings.Cut(verdict, " @")
		o, known := options[option]
		if !ok || err != nil || !known {
			t.Fatalf("line %d: %v", n, err)
		}
		in = strings.ReplaceAll(in, "{X100}", strings.Repeat("x-a: 1\r\n", 100))
		in = strings.ReplaceAll(in, "{V61400}", strings.Repeat("v", 61400))
		if got := verdictOf(in, o); got != want {
			t.Errorf("line %d: %.200q: %s, want %s", n, in, got, want)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// verdictOf reads the first request with its body and says how that ended.
func verdictOf(in string, o *Options) string {
	var r Request
	n, err := ParseRequest([]byte(in), &r, o)
	if err == nil && n > 0 && r.Framing == Chunked {
		_, used, done, fault, _ := decode([]byte(in[n:]), nil)
		if err = fault; err == nil && !done {
			n = 0
		}
		n += used
	}
	switch {
	case err != nil:
		return strconv.Itoa(err.Status) + " " + err.Details
	case n == 0:
		return "more"
	}
	return "ok " + string(r.Method) + " " + string(r.Target) + " " + string(r.Authority)
}

func TestReasonPhrases(t *testing.T) {
	for status, want := range map[int]string{
		200: "OK", 226: "IM Used", 304: "Not Modified", 306: "Unknown", 413: "Payload Too Large", 418: "Unknown", 431: "Request Header Fields Too Large",
		451: "Unknown", 509: "Unknown", 511: "Network Authentication Required", 599: "Last Unassigned Server Error Code", 600: "Unknown", 999: "Unknown",
		99: "Unknown", 0: "Unknown", -1: "Unknown",
	} {
		if got := ReasonPhrase(status); got != want {
			t.Errorf("ReasonPhrase(%d) = %q, want %q", status, got, want)
		}
	}
}

// Fields that Envoy keeps once are joined in the place of the first; all others
// stay. The values are what an upstream behind Envoy received.
func TestJoined(t *testing.T) {
	in := "GET /x HTTP/1.1\r\nHost: a\r\nAccept: \r\nZ: 1\r\nAccept: b\r\nCookie: c=1\r\nAccept: \r\nCookie: d=2\r\nZ: 2\r\nAccept: c\r\nHost: b\r\nOrigin: o\r\n p\r\nORIGIN: q\r\n\r\n"
	var r Request
	if n, err := ParseRequest([]byte(in), &r, nil); n != len(in) || err != nil {
		t.Fatal(n, err)
	}
	got := string(AppendRequestHead(nil, r.Method, r.Target, r.Authority, &r.Headers, NoBody))
	want := "GET /x HTTP/1.1\r\nhost: a,b\r\naccept: b,c\r\nz: 1\r\ncookie: c=1\r\ncookie: d=2\r\nz: 2\r\norigin: o p,q\r\n\r\n"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestResponses(t *testing.T) {
	for _, c := range []struct {
		in, method, want string
	}{
		{"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n", "GET", "200 length 2 keep"},
		{"HTTP/1.1  200  OK\r\n\r\n", "GET", "200 until-close -1 close"},
		{"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\n", "GET", "200 length 2 close"},
		{"HTTP/1.0 200 OK\nTransfer-Encoding: chunked\n\n", "GET", "200 chunked -1 close"},
		{"HTTP/1.1 600 X\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n", "GET", "600 chunked -1 close"},
		{"HTTP/1.1 204 X\r\nContent-Length: 0\r\n\r\n", "GET", "204 none 0 keep"},
		{"HTTP/1.1 304 X\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", "304 none 0 keep"},
		{"HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n", "GET", "304 none 0 keep"},
		{"HTTP/1.1 200 X\r\nContent-Length: 5\r\n\r\n", "HEAD", "200 none 0 keep"},
		{"HTTP/1.1 200 X\r\n\r\n", "HEAD", "200 none 0 keep"},
		{"HTTP/1.1 103 X\r\nLink: x\r\n\r\n", "GET", "103 none 0 keep"},
		{"HTTP/1.1 100 X\r\nContent-Length: 2\r\n\r\n", "GET", "502"},
		{"HTTP/1.1 204 X\r\nContent-Length: 2\r\n\r\n", "GET", "502"},
		{"HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", "502"},
		{"HTTP/1.1 200 X\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n", "GET", "502"},
		{"HTTP/1.1 200 X\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", "502"},
		{"HTTP/1.1 200 X\r\nTransfer-Encoding: identity\r\n\r\n", "GET", "502"},
		{"HTTP/1.1 099 X\r\n\r\n", "GET", "502"},
		{"HTTP/1.1 20 X\r\n\r\n", "GET", "502"},
		{"HTTP/1.1 200OK\r\n\r\n", "GET", "502"},
		{"http/1.1 200 OK\r\n\r\n", "GET", "502"},
		{"\r\nHTTP/1.1 200 OK\r\n\r\n", "GET", "502"},
		{"ICY 200 OK\r\n\r\n", "GET", "502"},
		{"HTTP/1.1 200 OK\r\nA : 1\r\n\r\n", "GET", "502"},
		{"HTTP/1.1 200 \x01\r\n\r\n", "GET", "502"},
		{"HTTP/1.1 200 OK\r\n" + strings.Repeat("a: 1\r\n", 101) + "\r\n", "GET", "502"},
		{"HTTP/1.1 200 OK\r\na: " + strings.Repeat("v", 81920-23) + "\r\n\r\n", "GET", "502"},
		{"HTTP/1.1 200 OK\r\na: " + strings.Repeat("v", 81920-24) + "\r\n\r\n", "HEAD", "200 none 0 keep"},
	} {
		if got := describe(c.in, c.method); got != c.want {
			t.Errorf("%.60q: %s, want %s", c.in, got, c.want)
		}
	}
}

func describe(in, method string) string {
	var r Response
	n, err := ParseResponse([]byte(in), []byte(method), &r, nil)
	if err != nil {
		return strconv.Itoa(err.Status)
	}
	if n != len(in) {
		return "more"
	}
	framing := [...]string{"none", "length", "chunked", "until-close"}[r.Framing]
	end := "keep"
	if r.Close {
		end = "close"
	}
	return strings.Join([]string{strconv.Itoa(r.Status), framing, strconv.FormatInt(r.ContentLength, 10), end}, " ")
}
