package engine

import (
	"io"
	"testing"
	"time"
)

func TestSlowHeadsAreAnswered408(t *testing.T) {
	b := start(t, bootstrap("request_headers_timeout: 0.1s", plainRoute, ""))
	slow, other := b.dial(), b.dial()
	for _, part := range []string{"GET / HT", "TP/1.1\r\nHo"} {
		if _, err := slow.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
		if r := other.Do(get("/", ""), "GET"); r.Status != 200 {
			t.Fatalf("another connection meanwhile: %+v", r)
		}
	}
	if r := slow.Do(nil, "GET"); r.Status != 408 || string(r.Body) != "request header timeout" {
		t.Errorf("%d %q, want 408", r.Status, r.Body)
	}
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	b := start(t, bootstrap("common_http_protocol_options: {idle_timeout: 0.1s}", plainRoute, ""))
	c := b.dial()
	if r := c.Do(get("/", ""), "GET"); r.Status != 200 {
		t.Fatalf("%+v", r)
	}
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("%v, want EOF", err)
	}
}

// TestSilentConnectionsAreClosed: the idle timeout runs once for a connection that
// says nothing, whichever protocol it might have spoken.
func TestSilentConnectionsAreClosed(t *testing.T) {
	const idle = time.Second
	b := start(t, bootstrap("common_http_protocol_options: {idle_timeout: 1s}", plainRoute, ""))
	c, begun := b.dial(), time.Now()
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("%v, want EOF", err)
	}
	if took := time.Since(begun); took < idle || took > 2*idle-idle/10 {
		t.Errorf("closed after %v, want %v", took, idle)
	}
}

// TestSplitHeads: a head that comes byte by byte is the head that comes at once.
func TestSplitHeads(t *testing.T) {
	b := start(t, bootstrap("", plainRoute, ""))
	c := b.dial()
	for _, x := range get("/a", "X-One: 1\r\n") {
		if _, err := c.Write([]byte{x}); err != nil {
			t.Fatal(err)
		}
	}
	if r := c.Do(nil, "GET"); r.Status != 200 {
		t.Errorf("%+v", r)
	}
}
