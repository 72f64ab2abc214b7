package engine

import "testing"

// TestHostOnly: the cases of Envoy's own reading of authorities.
func TestHostOnly(t *testing.T) {
	for authority, want := range map[string]string{
		"a.test": "a.test", "a.test:80": "a.test", "a.test:": "a.test:", "a.test:x": "a.test:x", "a.test:99999": "a.test:99999",
		"127.0.0.1:80": "127.0.0.1", "[::1]": "::1", "[::1]:80": "::1", "[x]": "[x]", "": "", ":": ":", "[]": "[]",
	} {
		if got := string(hostOnly([]byte(authority))); got != want {
			t.Errorf("%q: %q, want %q", authority, got, want)
		}
	}
}

// TestDNSNameMatch: what is compared with Envoy in test/square, and what no
// certificate there has.
func TestDNSNameMatch(t *testing.T) {
	for _, tt := range []struct {
		name, pattern string
		want          bool
	}{
		{"a.test", "a.test", true},
		{"A.test", "a.TEST", true},
		{"a.b.test", "*.b.test", true},
		{"a.b.test", "*.test", false},
		{"b.test", "*.b.test", false},
		{".b.test", "*.b.test", true},
		{"test", "*", false},
		{"a.test", "*", false},
		{"abc.test", "a*c.test", true},
		{"ac.test", "a*c.test", true},
		{"a.test", "a*a.test", false},
		{"abc.test", "a**.test", false},
		{"a.b.test", "a.*.test", false},
		{"a.*.test", "*.*.test", false},
		{"xn--a.test", "xn--*.test", false},
		{"", "", true},
	} {
		if got := dnsNameMatch(tt.name, tt.pattern); got != tt.want {
			t.Errorf("%q by %q: %v", tt.name, tt.pattern, got)
		}
	}
}
