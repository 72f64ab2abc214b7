package engine

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestBackOffIsBounded: the wait before a retry lies below an interval that doubles,
// whatever the numbers of the configuration are.
func TestBackOffIsBounded(t *testing.T) {
	for _, p := range []retryPolicy{
		{base: time.Hour, max: 10 * time.Hour},
		{base: time.Hour, max: math.MaxInt64},
		{base: math.MaxInt64, max: math.MaxInt64},
		{base: time.Nanosecond, max: time.Nanosecond},
		{base: 25 * time.Millisecond, max: 250 * time.Millisecond},
	} {
		for n := 1; n < 100; n++ {
			if d := p.backOff(n); d < 0 || d > p.max {
				t.Fatalf("base %v, longest %v: %v before retry %d", p.base, p.max, d, n)
			}
		}
	}
	long := retryPolicy{base: 24 * time.Hour, max: 240 * time.Hour}
	var most time.Duration
	for range 100 {
		most = max(most, long.backOff(4))
	}
	if most < 100*time.Hour {
		t.Errorf("of 100 waits below 240 hours the longest has %v", most)
	}
}

const slowRetries = `
              - match: {prefix: /}
                route: {cluster: up, timeout: 0s, retry_policy: {retry_on: 5xx, num_retries: 3, retry_back_off: {base_interval: 10000s}}}
`

// answer503 answers every request of a connection, and tells of each.
func answer503(asked chan<- struct{}) func(string, net.Conn) {
	return func(_ string, c net.Conn) {
		defer c.Close()
		for in := bufio.NewReader(c); ; {
			if _, err := http.ReadRequest(in); err != nil {
				return
			}
			asked <- struct{}{}
			if _, err := io.WriteString(c, "HTTP/1.1 503 Unavailable\r\ncontent-length: 2\r\n\r\nno"); err != nil {
				return
			}
		}
	}
}

// TestCloseEndsABackOff: an engine that is closed while a request waits for its next
// attempt has nothing left of the last answer to pass on.
func TestCloseEndsABackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := make(chan struct{}, 10)
		p := startPipes(t, slowRetries, "", answer503(asked))
		faults := &bytes.Buffer{}
		p.engine.log = slog.New(slog.NewTextHandler(faults, nil))
		c := p.dial("GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
		go io.Copy(io.Discard, c) //nolint:errcheck // there may be an answer or not
		<-asked
		synctest.Wait()
		p.engine.cancel() // as Close begins
		synctest.Wait()
		p.end()
		_ = c.Close()
		if strings.Contains(faults.String(), "panic") {
			t.Error(faults.String())
		}
	})
}

// TestAClientThatLeavesEndsABackOff: nobody tries again for a client that is gone.
func TestAClientThatLeavesEndsABackOff(t *testing.T) {
	asked := make(chan struct{}, 10)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve, done := answer503(asked), make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			serve("", c)
		}
	}()
	b := start(t, strings.ReplaceAll(bootstrap("", slowRetries, ""), "UP}", fmt.Sprint(ln.Addr().(*net.TCPAddr).Port, "}")))
	c := b.dial()
	if _, err := c.Write(get("/x", "")); err != nil {
		t.Fatal(err)
	}
	<-asked
	_ = c.Close()
	for end := time.Now().Add(5 * time.Second); b.engine.Connections() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the request still waits for its next attempt")
		}
	}
	if got := b.statistics()["http.in.downstream_cx_destroy_remote_active_rq"]; got != 1 {
		t.Errorf("%d connections that clients have ended with a request, want 1", got)
	}
	_ = ln.Close()
	_ = b.engine.Close()
	<-done
}
