package format

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// notRun are operators of Envoy that are refused here, with what is missing.
var notRun = map[string]string{
	"CEL":                     "expressions",
	"REQUEST_HEADERS_BYTES":   "sizes of heads",
	"RESPONSE_HEADERS_BYTES":  "sizes of heads",
	"RESPONSE_TRAILERS_BYTES": "sizes of heads",

	"DOWNSTREAM_HANDSHAKE_DURATION": "the time of the handshake", "UPSTREAM_CONNECTION_POOL_READY_DURATION": "the time of the pool",
	"UPSTREAM_CONNECTION_ID": "numbers of connections to services", "UPSTREAM_CONNECTION_IDS_ATTEMPTED": "the same",
	"UPSTREAM_HOSTS_ATTEMPTED": "hosts of earlier attempts", "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT": "the same",
	"UPSTREAM_HOST_NAMES_ATTEMPTED": "the same", "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT": "the same",
	"UPSTREAM_LOCAL_CLOSE_REASON": "why connections to services end", "UPSTREAM_DETECTED_CLOSE_TYPE": "the same",
	"UPSTREAM_TLS_GROUP": "the group of a key exchange", "UPSTREAM_TLS_SESSION_ID": "TLS sessions",
}

// notRunLike are groups of them: what certificates say beside names, sizes of heads.
var notRunLike = regexp.MustCompile(`^(DOWNSTREAM_(PEER_ISSUER_|TLS_(GROUP|SESSION))|DOWNSTREAM_(PEER|LOCAL)_OTHERNAME_SAN|(UP|DOWN)STREAM_(HEADER|DECOMPRESSED_HEADER)_)`)

var operatorName = regexp.MustCompile(`^%([A-Z0-9_]+)`)

// TestLoadsWhatEnvoyLoads: a format that a real Envoy refuses is refused, and one
// that it loads is compiled, but for the operators that are not run.
func TestLoadsWhatEnvoyLoads(t *testing.T) {
	data, err := os.ReadFile("testdata/envoy-loads.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		verdict, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if verdict == "#" {
			continue
		}
		_, err := Parse(text)
		name := ""
		if m := operatorName.FindStringSubmatch(text); m != nil {
			name = m[1]
		}
		_, missing := notRun[name]
		switch {
		case verdict == "-" && err == nil && name != "REQ_WITHOUT_QUERY": // an extension that every log has here
			t.Errorf("%s is compiled; Envoy refuses it", text)
		case verdict == "+" && err != nil && !missing && !notRunLike.MatchString(name):
			t.Errorf("%s: %v; Envoy loads it", text, err)
		}
	}
}
