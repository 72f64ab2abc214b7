package cli

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

func TestOriginOf(t *testing.T) {
	for expr, want := range map[string]string{
		`https://.*\.example\.com`:                    "https://app.example.com",
		`https://[^.]+\.example\.com`:                 "https://a.example.com",
		`https?://localhost(:[0-9]+)?`:                "http://localhost",
		`.*\.example\.com`:                            "https://app.example.com",
		`https://(app|admin)\.example\.com`:           "https://app.example.com",
		`https://pr-[0-9]{2,4}\.preview\.example`:     "https://pr-00.preview.example",
		`^https://a\.example$`:                        "https://a.example",
		`(?i)https://A\.example`:                      "https://a.example",
		`https://[a-z0-9-]+\.(dev|stage)\.a\.example`: "https://a.dev.a.example",
		`(`:                  ``,
		`[^\x00-\x{10FFFF}]`: ``, // matches nothing
	} {
		got, ok := originOf(expr)
		if got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v; want %q", expr, got, ok, want)
		}
	}
}

// FuzzExampleOf: an example is matched by its expression as a whole.
func FuzzExampleOf(f *testing.F) {
	for _, s := range []string{`https://.*\.example\.com`, `a|b`, `(x+y?){3}`, `[^a]`, `\bfoo\B`, `^$`, `(?i)k`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		got, ok := exampleOf(expr)
		if !ok {
			return
		}
		if re, err := regexp.Compile(`\A(?:` + expr + `)\z`); err == nil && !re.MatchString(got) {
			t.Errorf("%q does not match its example %q", expr, got)
		}
	})
}

func TestExampleOrigin(t *testing.T) {
	exact := func(s string) *matcherv3.StringMatcher {
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: s}}
	}
	prefix := func(s string) *matcherv3.StringMatcher {
		return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: s}}
	}
	tests := []struct {
		want     string
		matchers []*matcherv3.StringMatcher
	}{
		{"https://a.example", []*matcherv3.StringMatcher{prefix("https://"), exact("*"), exact("https://a.example")}},
		{"https://app.example.com", []*matcherv3.StringMatcher{exact("*")}},
		{"https://app.example.com", []*matcherv3.StringMatcher{prefix("https://")}},
		{"https://app.example.com", []*matcherv3.StringMatcher{prefix("https://app.")}},
		{"http://localhost:3000", []*matcherv3.StringMatcher{prefix("http://localhost:")}},
		{"http://localhost", []*matcherv3.StringMatcher{prefix("http://localhost")}},
		{"", nil},
	}
	for _, tt := range tests {
		got, ok := exampleOrigin(&corsv3.CorsPolicy{AllowOriginStringMatch: tt.matchers})
		if got != tt.want || ok != (tt.want != "") {
			t.Errorf("%v: %q, want %q", tt.matchers, got, tt.want)
		}
	}
}

func TestExampleMethodAndHeaders(t *testing.T) {
	for list, want := range map[string]string{"": "POST", "*": "PUT", "GET": "GET", "GET,POST": "POST", "OPTIONS,DELETE,PUT": "DELETE"} {
		if got := exampleMethod(list); got != want {
			t.Errorf("methods %q: %q, want %q", list, got, want)
		}
	}
	for list, want := range map[string]string{"": "", "*": "content-type", "x-a,x-b": "x-a"} {
		if got := exampleHeaders(list); got != want {
			t.Errorf("headers %q: %q, want %q", list, got, want)
		}
	}
}

// TestShellQuote lets a shell say what it reads: a host or path from a file must
// not become a command of whoever copies the line.
func TestShellQuote(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell here")
	}
	for _, word := range []string{"plain", "two words", "it's", `"$(touch x)"`, "`id`", "a;b", "$HOME", "*", "\\", "~", "", "ä", "a\nb", "!!"} {
		out, err := exec.Command(sh, "-c", "printf %s "+shellQuote(word)).Output()
		if err != nil || string(out) != word {
			t.Errorf("%q becomes %q (%v)", word, out, err)
		}
	}
}

func TestDescribeLongTable(t *testing.T) {
	var b strings.Builder
	banner{snapshot: emptySnapshot(), ports: defaultPorts()}.writeTable(&b, make([]entry, maxTableRows+5))
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != maxTableRows+2 || !strings.Contains(lines[len(lines)-1], "5 more") {
		t.Errorf("%d lines, the last is %q", len(lines), lines[len(lines)-1])
	}
}
