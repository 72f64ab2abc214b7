package prometheus

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// lintAllowed is what promtool finds fault with in names that are Istio's and
// Envoy's, and so cannot be others.
var lintAllowed = []*regexp.Regexp{
	regexp.MustCompile(`^istio_request_duration_milliseconds use base unit "seconds" instead of "milliseconds"$`),
	regexp.MustCompile(`^envoy_\w+ counter metrics should have "_total" suffix$`),
	regexp.MustCompile(`^envoy_\w+ non-counter metrics should not have "_total" suffix$`),
	regexp.MustCompile(`^envoy_\w+ no help text$`), // an Envoy has none
	regexp.MustCompile(`^envoy_\w+ (use base unit|metric names should not contain abbreviated units)`),
}

// TestPromtool has promtool read what the gateway exposes after traffic of all
// kinds. It is fetched as Prometheus does, compressed.
func TestPromtool(t *testing.T) {
	bin := promtool.Require(t)
	g := serveGuide(t)
	c := newClient(t, g)
	c.warmUp(t, allowed, refused, answered, read, foreign, write, odd, missing, broken, alive, nowhere)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.Addr(15090)+"/stats/prometheus", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Get("Content-Type"); got != "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("Content-Type %q", got)
	}
	body, err := gzip.NewReader(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "check", "metrics")
	cmd.Stdin = bytes.NewReader(text)
	out, err := cmd.CombinedOutput()
	// promtool ends with 3 where it found something to improve, with 1 where it could
	// not read the metrics.
	const improvable = 3
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != improvable) {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if !allowedLint(line) {
			t.Errorf("promtool: %s", line)
		}
	}
	if !bytes.Contains(text, []byte("istio_requests_total{")) || !bytes.Contains(text, []byte("envoy_http_cors_origin_valid{")) {
		t.Errorf("the metrics of the traffic are missing:\n%.2000s", text)
	}
}

func allowedLint(line string) bool {
	for _, re := range lintAllowed {
		if re.MatchString(line) {
			return true
		}
	}
	return false
}
