package http1

import "testing"

// TestControlInRequestLine: Envoy takes a control character for a blank between the
// parts of the request line, and refuses it when the head is complete; in a part it
// refuses it at once. What it did with each line was recorded from Envoy 1.40.
func TestControlInRequestLine(t *testing.T) {
	for _, tt := range []struct {
		line string
		now  bool // refused when no more than the line is there
	}{
		{"GET \vhttp://s HTTP/1.1", false},
		{"GET \v/ HTTP/1.1", false},
		{"GET / HTTP/1.1\v", false},
		{"GET / \vHTTP/1.1", false},
		{"GE\vT / HTTP/1.1", true},
		{"GET /\v HTTP/1.1", false},
		{"GET \x00/ HTTP/1.1", false},
		{"GET /\x00 HTTP/1.1", false},
		{"\vGET / HTTP/1.1", true},
		{"GET \v HTTP/1.1", true},
		{"GET\v / HTTP/1.1", false},
		{"GET http://\v HTTP/1.1", false},
		{"GE\x01X / HTTP/1.1", true},
		{"GEX \x01/ HTTP/1.1", true},
		{"GET \x01x HTTP/1.1", true},
		{"GET / HTTP/1.x\x01", true},
		{"GET \x7f/ HTTP/1.1", true},
		{"GET /\x7f HTTP/1.1", true},
		{"GET \x01", true},
	} {
		for _, rest := range []string{"\r\n", "\r\nHost: a\r\n"} {
			var r Request
			if n, err := ParseRequest([]byte(tt.line+rest), &r, nil); (err != nil) != tt.now || n != 0 {
				t.Errorf("%q: %d, %v", tt.line+rest, n, err)
			}
		}
		var r Request
		if n, err := ParseRequest([]byte(tt.line+"\r\nHost: a\r\n\r\n"), &r, nil); err == nil || err.Status != 400 {
			t.Errorf("%q: the whole head: %d, %v", tt.line, n, err)
		}
	}
}
