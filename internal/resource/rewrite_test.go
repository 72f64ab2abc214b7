package resource

import (
	"strings"
	"testing"

	"github.com/crossgate/crossgate/internal/diag"
)

const rewritten = `# the API
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api}
spec:
  hosts: [api.example.com]   # one
  http:
  - corsPolicy:
      allowOrigins:
      - prefix: https://app.example.com   # é, the application
      - {regex: 'https://a.example.com'}
      - "regex" : "https://b.example\\.com"
      - regex: >-
          https://c.example.com
      - regex: "https://d.example.com"
    route: [{destination: {host: api}}]
`

// TestRewrite: the values change, and nothing else; what is not as the diagnostic
// says stays.
func TestRewrite(t *testing.T) {
	rs, diags := Parse("a.yaml", []byte(rewritten), ParseOptions{})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	finding := func(path, key, old, text string) diag.Diagnostic {
		return diag.Diagnostic{Pos: rs[0].At(path), Path: path, Fix: &diag.Fix{Key: key, Old: old, New: text}}
	}
	const list = "spec.http[0].corsPolicy.allowOrigins"
	l := diag.List{
		finding(list+"[0].prefix", "exact", "https://app.example.com", "https://app.example.com"),
		finding(list+"[1].regex", "", "https://a.example.com", `https://a\.[x]{1,2}`),
		finding(list+"[2].regex", "exact", `https://b.example\.com`, `https://b\.example\.com"`),
		finding(list+"[3].regex", "", "https://c.example.com", "x"),
		finding(list+"[4].regex", "", "https://other.example.com", "x"),
		finding(list+"[4].exact", "prefix", "https://d.example.com", "x"),
	}
	out, done, err := Rewrite("a.yaml", []byte(rewritten), l)
	if err != nil || len(done) != 3 {
		t.Fatalf("%d written, %v", len(done), err)
	}
	want := strings.NewReplacer(
		"prefix: https://app.example.com   #", "exact: https://app.example.com   #",
		"'https://a.example.com'", `'https://a\.[x]{1,2}'`,
		`"regex" : "https://b.example\\.com"`, `"exact" : "https://b\\.example\\.com\""`,
	).Replace(rewritten)
	if string(out) != want {
		t.Errorf("got\n%s", out)
	}
	bad := diag.List{finding(list+"[0].prefix", "nonsense", "https://app.example.com", "x")}
	if out, done, err := Rewrite("a.yaml", []byte(rewritten), bad); err == nil || string(out) != rewritten || len(done) > 0 {
		t.Errorf("a field that does not exist was written: %v", err)
	}
}

func TestScalar(t *testing.T) {
	for _, tt := range []struct {
		text, value string
		ok          bool
	}{
		{`a.b`, `a.b`, true},
		{`a.b # c`, `a.b`, true},
		{`a.b}, {`, `a.b`, true},
		{`a.b#c`, `a.b`, false},
		{`a.bc`, `a.b`, false},
		{`a.b c`, `a.b`, false},
		{`'a''b'`, `a'b`, true},
		{`'a'''`, `a`, false},
		{`"a\\.b"`, `a\.b`, true},
		{`"a\u002eb"`, `a.b`, true},
		{`"a`, `a`, false},
		{`*alias`, `a`, false},
		{`&anchor a`, `a`, false},
	} {
		if _, _, ok := scalar(tt.text, tt.value); ok != tt.ok {
			t.Errorf("%s as %q: %v", tt.text, tt.value, ok)
		}
	}
}

// FuzzRewrite: whatever the place and the values are, nothing panics and no error is
// added.
func FuzzRewrite(f *testing.F) {
	f.Add(rewritten, 10, 17, "https://app.example.com", "x", "exact")
	f.Add(rewritten, 11, 17, "https://a.example.com", "}", "")
	f.Fuzz(func(t *testing.T, text string, line, col int, old, value, key string) {
		d := diag.Diagnostic{Pos: diag.Pos{File: "a.yaml", Line: line, Col: col}, Path: "a.prefix", Fix: &diag.Fix{Key: key, Old: old, New: value}}
		out, _, err := Rewrite("a.yaml", []byte(text), diag.List{d})
		_, before := Parse("a.yaml", []byte(text), ParseOptions{})
		_, after := Parse("a.yaml", out, ParseOptions{})
		if err == nil && after.Count(diag.Error) > before.Count(diag.Error) {
			t.Errorf("errors were added: %v", after)
		}
	})
}
