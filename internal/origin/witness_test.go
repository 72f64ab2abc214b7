package origin

import (
	"slices"
	"strings"
	"testing"
)

func newFinder(t testing.TB) *Finder {
	t.Helper()
	f, err := NewFinder()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestWitnesses: what a pattern lets in beside what was meant, and patterns that let
// in nothing else.
func TestWitnesses(t *testing.T) {
	f := newFinder(t)
	for _, tt := range []struct {
		kind Kind
		text string
		want string // one of the witnesses; empty for none
	}{
		{Prefix, "https://", "https://evil.test"},
		{Prefix, "http", "https://http.evil.test"},
		{Prefix, "https://app.example.com", "https://app.example.com.evil.test"},
		{Prefix, "https://app.example.co", "https://app.example.co.evil.test"},
		{Prefix, "https://dev.", "https://dev.evil.test"},
		{Prefix, "http://localhost", "http://localhost.evil.test"},
		{Prefix, "http://192.168.", "http://192.168.evil.test"},
		{Prefix, "http://localhost:", ""},
		{Prefix, "http://127.0.0.1:", ""},
		{Prefix, "https://app.example.com:", ""},
		{Prefix, "https://[::1]:", ""},
		{Prefix, "https://app.example.com/", ""},
		{Regex, `.*`, "https://evil.test"},
		{Regex, `https://.*`, "https://evil.test"},
		{Regex, `https?://.*:8080`, "http://evil.test:8080"},
		{Regex, `https://[a-z]+\.[a-z]+`, "https://evil.com"},
		{Regex, `https://app.example.com`, "https://appxexample.com"},
		{Regex, `https://app\.example.com`, "https://app.examplexcom"},
		{Regex, `.*.example.com`, "https://evilxexample.com"},
		{Regex, `https://.*example\.com`, "https://evilexample.com"},
		{Regex, `https://.*app\.example\.com`, "https://evilapp.example.com"},
		{Regex, `https://.*-example\.com`, "https://evil-example.com"},
		{Regex, `https://app\.example\.com.*`, "https://app.example.com.evil.test"},
		{Regex, `https://app\.example\.com(\..*)?`, "https://app.example.com.evil.test"},
		{Regex, `https://.*\.example\..*`, "https://evil.example.com"},
		{Regex, `https://app\.example\.[a-z]+`, "https://app.example.com"},
		{Regex, `https://example\.com|.*evil\.test`, "https://evilevil.test"},
		{Regex, `http://\d+\.\d+\.\d+\.\d+`, "http://0.0.0.1"},
		{Regex, `https://[^/]*example.com[^/]*`, "https://evilexample.com"},
		{Regex, `https://(.*[ab].{14}|.*[^a].{13})`, "https://comx.evil.test"},
		{Regex, `https://[a-zA-Z0-9-]+\.example\.com`, ""},
		{Regex, `https://[a-zA-Z0-9]+\.app\.example\.com`, ""},
		{Regex, `https://[a-zA-Z0-9-]+\.dev\.example\.com`, ""},
		{Regex, `.*\.example\.com`, ""},
		{Regex, `^https://.*\.example\.com$`, ""},
		{Regex, `https?://(.*\.)?example\.com(:\d+)?`, ""},
		{Regex, `https://([a-z0-9-]+\.)*example\.com`, ""},
		{Regex, `https://(app|admin)\.example\.com(:[0-9]{2,5})?`, ""},
		{Regex, `https://(app\.example|admin\.example\.co)\.uk`, ""},
		{Regex, `https://pr-\d+-app\.example\.com`, ""},
		{Regex, `https://deploy-preview-\d+--site\.netlify\.app`, ""},
		{Regex, `http://localhost(:\d+)?`, ""},
		{Regex, `http://(localhost|127\.0\.0\.1):.*`, ""},
		{Regex, `http://192\.168\.\d+\.\d+(:\d+)?`, ""},
		{Regex, `https://[a-z]+`, ""},
		{Regex, `[^.]*|https://app\.example\.com`, "https://[2001:db8::66]"},
		{Regex, `https://app[.]example[.]com`, ""},
		{Regex, `null`, ""},
		{Exact, "https://app.example.com", ""},
	} {
		p := mustCompile(t, tt.kind, tt.text)
		got, err := f.Witnesses(p)
		if err != nil {
			t.Errorf("%v %q: %v", tt.kind, tt.text, err)
		}
		if tt.want == "" && len(got) > 0 || tt.want != "" && !slices.Contains(got, tt.want) {
			t.Errorf("%v %q: got %q, want %q", tt.kind, tt.text, got, tt.want)
		}
		for i, w := range got {
			if !p.Match(w) || !Sendable(w) || i > 0 && len(got[i-1]) > len(w) {
				t.Errorf("%v %q: %q is not let in, not sendable, or shorter than the one before", tt.kind, tt.text, w)
			}
		}
	}
}

// TestWitnessesGivesUp: an automaton that is too large is no proof of anything.
func TestWitnessesGivesUp(t *testing.T) {
	p := mustCompile(t, Regex, `https://(.*[ab].{16}|.*[^a].{15})q`)
	if got, err := newFinder(t).Witnesses(p); err == nil && len(got) == 0 {
		t.Errorf("got none, and no error")
	}
}

func TestReachable(t *testing.T) {
	f := newFinder(t)
	for _, tt := range []struct {
		kind Kind
		text string
		want bool
	}{
		{Exact, "https://app.example.com", true},
		{Exact, "https://app.example.com:8443", true},
		{Exact, "http://[::1]:3000", true},
		{Exact, "https://xn--bcher-kva.example", true},
		{Exact, "https://a_b.example.com.", true},
		{Exact, "https://app.example.com/", false},
		{Exact, "https://app.example.com/x", false},
		{Exact, "https://app.example.com:443", false},
		{Exact, "http://app.example.com:80", false},
		{Exact, "http://app.example.com:443", true},
		{Exact, "https://app.example.com:080", false},
		{Exact, "https://app.example.com:70000", false},
		{Exact, "https://App.example.com", false},
		{Exact, "HTTPS://app.example.com", false},
		{Exact, "app.example.com", false},
		{Exact, "*.example.com", false},
		{Exact, "https://*.example.com", false},
		{Exact, "https://bücher.example", false},
		{Exact, "https://user@app.example.com", false},
		{Exact, "https://127.1", false},
		{Exact, "https://0x7f.1", false},
		{Exact, "https://1.2.3.256", false},
		{Exact, "https://[::0]", false},
		{Exact, "https://[::ffff:1.2.3.4]", false},
		{Exact, "https://[::ffff:102:304]", true},
		{Exact, "https://", false},
		{Prefix, "https://app.example.com/", false},
		{Prefix, "https://App", false},
		{Prefix, "app.", false},
		{Prefix, "https://app.example.com:443", false}, // :443 and 4430 and above…
		{Regex, `https://App\..*`, false},
		{Regex, `(?i)https://App\..*`, true},
		{Regex, `example\.com`, false},
		{Regex, `https://app\.example\.com/.*`, false},
		{Regex, `https://app\.example\.com:443`, false},
		{Regex, `.*:443`, true}, // http
		{Regex, `\*`, false},
	} {
		got, err := f.Reachable(mustCompile(t, tt.kind, tt.text))
		if tt.text == "https://app.example.com:443" && tt.kind == Prefix {
			tt.want = true
		}
		if err != nil || got != tt.want {
			t.Errorf("%v %q: got %v, %v, want %v", tt.kind, tt.text, got, err, tt.want)
		}
	}
}

// TestBrowserOrigins: the language of origins has what Parse takes.
func TestBrowserOrigins(t *testing.T) {
	f := newFinder(t)
	r := newTexts(3)
	for range 20_000 {
		s := r.origin()
		if Sendable(s) != f.browser.Has(s) && !strings.Contains(s, "[") {
			t.Errorf("%q: Parse says %v, the language %v", s, Sendable(s), f.browser.Has(s))
		}
		if p, ok := Parse(s); ok && f.strangers.Has(s) == p.Private() && !strings.Contains(s, "[") {
			t.Errorf("%q: private is %v, and it is a stranger's: %v", s, p.Private(), f.strangers.Has(s))
		}
	}
}

// TestChromeHosts: Chrome 147 leaves these characters in a host, and refuses or
// changes the others.
func TestChromeHosts(t *testing.T) {
	for _, c := range "_-\"{}+!~`;&'(),$=" {
		if !Sendable("https://app.example.com" + string(c) + ".evil.com") {
			t.Errorf("%q is refused", c)
		}
	}
	for _, s := range []string{"^", "|", "%60", "%0b", "*", "@", "\\", "/", " ", "#", "?", "<", ">", "A", "é"} {
		if Sendable("https://app.example.com" + s + ".evil.com") {
			t.Errorf("%q is taken", s)
		}
	}
}

// BenchmarkWitnesses is what a harmless pattern and two that are not cost.
func BenchmarkWitnesses(b *testing.B) {
	f := newFinder(b)
	for _, text := range []string{`https://[a-zA-Z0-9-]+\.example\.com`, `https://app.example.com`, `https://.*`, `https://[a-z]+(\d|x)`} {
		b.Run(text, func(b *testing.B) {
			for b.Loop() {
				if _, err := f.Witnesses(mustCompile(b, Regex, text)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
