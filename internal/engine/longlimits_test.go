package engine

import (
	"math"
	"strings"
	"testing"
	"time"
)

// TestVeryLongLimits: a limit of ten thousand years, the longest that a Duration of
// the configuration has, is no limit that has passed.
func TestVeryLongLimits(t *testing.T) {
	now := time.Now()
	if at, _ := renewed(time.Time{}, now, math.MaxInt64); at.Before(now) {
		t.Errorf("a limit of %v ends at %v", time.Duration(math.MaxInt64), at)
	}
	const ever = "315576000000s"
	routes := strings.Replace(plainRoute, "route: {cluster: up}",
		"route: {cluster: up, timeout: "+ever+", idle_timeout: "+ever+", retry_policy: {retry_on: 5xx, per_try_timeout: "+ever+", retry_back_off: {base_interval: "+ever+"}}}", 1)
	b := start(t, bootstrap("stream_idle_timeout: "+ever+"\n          request_timeout: "+ever+"\n          request_headers_timeout: "+ever+
		"\n          common_http_protocol_options: {idle_timeout: "+ever+"}", routes, ""))
	c := b.dial()
	for range 2 {
		if r := c.Do(get("/x", ""), "GET"); r.Status != 200 {
			t.Fatalf("answered %d, want 200", r.Status)
		}
	}
}
