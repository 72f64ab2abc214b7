package xds

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/crossgate/crossgate/test/envoy"
)

// TestLargeRegexes: what a real Envoy refuses for its size is reported, and short
// expressions are not.
func TestLargeRegexes(t *testing.T) {
	bin := envoy.Require(t)
	list := func(names ...string) string {
		return `(?i)(?:[ \t]*(?:` + strings.Join(names, "|") + `)?[ \t]*(?:,|$))*`
	}
	refused := 0
	for _, text := range []string{
		`https://[a-z0-9-]+\.example\.com`, `.+`, strings.Repeat("a", 60), strings.Repeat("a", 90), strings.Repeat("a", 97), strings.Repeat("a", 200),
		list("content-type"), list("content-type", "authorization", "x-foo"), list("content-type", "authorization", "x-request-id", "x-csrf-token", "accept", "x-foo", "x-bar"),
		list("content-type", "authorization", "x-request-id", "x-csrf-token", "accept", "x-foo", "x-bar", "x-tenant-id", "traceparent"),
		`[a-z]{1,30}`, `[a-z]{1,63}\.example\.com`, `(?:[a-zA-Z0-9]{1,20}\.){3}com`, `(?i)https://app\.[^/]*\.example\.com(?::\d+)?`, `\pL{20}`, `\w{40}`, `.{80}`, `[^a]{40}`,
	} {
		rc := &routev3.RouteConfiguration{Name: "r", VirtualHosts: []*routev3.VirtualHost{{Routes: []*routev3.Route{{Match: &routev3.RouteMatch{
			Headers: []*routev3.HeaderMatcher{{HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: &matcherv3.StringMatcher{
				MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: text}},
			}}}},
		}}}}}}
		said := len((&Snapshot{Routes: []*routev3.RouteConfiguration{rc}}).LargeRegexes()) > 0
		out, err := validateRegex(t, bin, text)
		large := err != nil && strings.Contains(out, "RE2 program size of")
		if err != nil && !large {
			t.Fatalf("%q: %s", text, out)
		}
		if large {
			refused++
		}
		if large && !said {
			t.Errorf("%q: Envoy refuses it for its size, and nothing is said", text)
		}
		if said && programSize(text) > 3*maxStockProgram && !large {
			t.Errorf("%q: it is said to be far too large, and Envoy takes it", text)
		}
	}
	if refused < 4 {
		t.Errorf("Envoy refuses %d of the expressions: the test shows less than it says", refused)
	}
	if programSize(`https://[a-z0-9-]+\.example\.com(:\d+)?`) > maxStockProgram {
		t.Error("a usual origin is said to be too large")
	}
}

func validateRegex(t *testing.T, bin, text string) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "b.yaml")
	config := fmt.Sprintf(`
static_resources:
  listeners:
  - name: l
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: s
          http_filters: [{name: envoy.filters.http.router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
          route_config:
            virtual_hosts:
            - name: v
              domains: ["*"]
              routes: [{match: {prefix: /, headers: [{name: x, string_match: {safe_regex: {regex: %q}}}]}, direct_response: {status: 200}}]
`, text)
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(bin, "-c", path, "--mode", "validate", "-l", "error").CombinedOutput()
	return string(out), err
}
