package square

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crossgate/crossgate/test/rawhttp"
)

// slowBody is a service that stops for a while in the middle of its answer.
func slowBody(t *testing.T, pause time.Duration) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				if _, err := c.Read(make([]byte, 4096)); err != nil {
					return
				}
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello")
				time.Sleep(pause)
				_, _ = io.WriteString(c, "world")
			}()
		}
	}()
	return ln.Addr().(*net.TCPAddr).Port
}

// TestPerTryTimeout compares tries that are too slow where the route's timeout ends
// within the second one, and an answer that has begun in time and takes longer.
func TestPerTryTimeout(t *testing.T) {
	for _, idle := range []string{"300s", "0s"} {
		t.Run("stream_idle_timeout "+idle, func(t *testing.T) { comparePerTry(t, idle) })
	}
}

func comparePerTry(t *testing.T, idle string) {
	b := newBench(t, planesOf(t))
	text := fmt.Sprintf(upstreamBootstrap, "lb_policy: ROUND_ROBIN", b.up.Port(), slowBody(t, time.Second))
	text = strings.Replace(text, "route: {cluster: old}", "route: {cluster: old, retry_policy: {retry_on: 5xx, num_retries: 3, per_try_timeout: 0.5s}}", 1)
	text = strings.Replace(text, "{match: {prefix: /error}, route: {cluster: h2, retry_policy: {retry_on: 5xx, num_retries: 1}}}",
		"{match: {prefix: /error}, route: {cluster: h2, timeout: 0.75s, retry_policy: {retry_on: 5xx, num_retries: 3, per_try_timeout: 0.5s}}}", 1)
	text = strings.Replace(text, "          stat_prefix: s\n", "          stat_prefix: s\n          stream_idle_timeout: "+idle+"\n", 1)
	corners := b.corners(text)
	for _, path := range []string{"/error", "/old"} {
		var answers [][]string
		for _, c := range corners {
			a, err := c.do(&Case{
				Request: Request{Method: "GET", Target: path, Fields: rawhttp.Fields{{Name: "Host", Value: "a.test"}}},
				Plan:    rawhttp.Plan{Sleep: 3 * time.Second},
			})
			if err != nil {
				t.Fatal(err)
			}
			answers = append(answers, a.Lines())
		}
		for i, got := range answers[1:] {
			if diff := cmp.Diff(answers[0], got); diff != "" {
				t.Errorf("%s: (-%s +%s)\n%s", path, corners[0].Name, corners[i+1].Name, diff)
			}
		}
	}
}
