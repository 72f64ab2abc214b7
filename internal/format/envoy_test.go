package format

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// notRun are operators of Envoy that are refused here, with what is missing.
var notRun = map[string]string{
	"CEL":                       "expressions",
	"DOWNSTREAM_TLS_SESSION_ID": "TLS sessions, of which crypto/tls tells nothing",
	"UPSTREAM_TLS_SESSION_ID":   "the same",
}

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
		case missing && err == nil:
			t.Errorf("%s is compiled, and listed as not run", text)
		case verdict == "+" && err != nil && !missing:
			t.Errorf("%s: %v; Envoy loads it", text, err)
		}
	}
}
