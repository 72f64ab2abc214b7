package square

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/crossgate/crossgate/internal/check"
	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/origin"
	"github.com/crossgate/crossgate/internal/resource"
	attackers "github.com/crossgate/crossgate/test/attack"
	"github.com/crossgate/crossgate/test/gate"
	"github.com/crossgate/crossgate/test/rawhttp"
	"github.com/crossgate/crossgate/test/tool"
)

// allowance is the one origin of a host's policy.
type allowance struct {
	kind        origin.Kind
	text        string
	credentials bool
}

func (a allowance) key() string {
	return map[origin.Kind]string{origin.Exact: "exact", origin.Prefix: "prefix", origin.Regex: "regex"}[a.kind]
}

// allowances writes a document with a host for each policy: h0.test, h1.test, ….
func allowances(list []allowance, port int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: up}
spec:
  hosts: [up.example]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  location: MESH_INTERNAL
  endpoints: [{address: 127.0.0.1, ports: {http: %d}}]
`, port)
	for i, a := range list {
		fmt.Fprintf(&b, `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: h%d}
spec:
  hosts: [h%d.test]
  gateways: [edge]
  http:
  - corsPolicy:
      allowOrigins:
      - %s: '%s'
      allowMethods: [GET, PUT]
      allowCredentials: %v
    route: [{destination: {host: up.example, port: {number: 80}}}]
`, i, i, a.key(), strings.ReplaceAll(a.text, "'", "''"), a.credentials)
	}
	return b.String()
}

// entrance is a document that the data planes serve under a profile.
type entrance struct {
	t       *testing.T
	corners []*Corner
}

func enter(b *bench, profile, text string) *entrance {
	b.t.Helper()
	dir := b.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	bootstrap, err := translate(gate.Binary(b.t), profile, dir, b.t.TempDir())
	if err != nil {
		b.t.Fatal(err)
	}
	return &entrance{b.t, b.corners(string(bootstrap))}
}

// admitted reports whether a page of an origin may read what a host answers, to a
// preflight or to a request. The corners have to agree.
func (e *entrance) admitted(host, from string) bool {
	e.t.Helper()
	fields := rawhttp.Fields{{Name: "Host", Value: host}, {Name: "Origin", Value: from}}
	get := Request{Method: "GET", Target: "/", Fields: fields}
	ask := Request{Method: "OPTIONS", Target: "/", Fields: append(slices.Clone(fields), rawhttp.Field{Name: "Access-Control-Request-Method", Value: "PUT"})}
	var first string
	in := false
	for i, c := range e.corners {
		said := ""
		for _, r := range []Request{get, ask} {
			a, err := c.do(&Case{Request: r})
			if err != nil {
				e.t.Fatal(err)
			}
			allowed, _ := a.Response.Fields.Get("Access-Control-Allow-Origin")
			said += fmt.Sprintf("%d %q ", a.Response.Status, allowed)
			in = in || allowed != "" && (allowed == "*" || allowed == strings.Trim(from, " \t"))
		}
		if i == 0 {
			first = said
		} else if said != first {
			e.t.Errorf("%s from %q: %s says %s, %s says %s", host, from, e.corners[0].Name, first, c.Name, said)
		}
	}
	return in
}

// suspects are patterns that let in too much, in the ways that people write them.
func suspects() (out []allowance) {
	for _, credentials := range []bool{true, false} {
		for _, text := range []string{"https://", "http", "https://app.example.com", "https://dev.", "http://localhost", "http://192.168.", "*", "nul"} {
			out = append(out, allowance{origin.Prefix, text, credentials})
		}
		for _, text := range []string{
			".*", ".+", "https?://.*", "https://[^/]+", "https://app.example.com", `https://app\.example\.com.*`, `https://.*example\.com`, ".*.example.com",
			`https://.*app\.example\.com`, `https://app\.example\.[a-z]+`, `https://[a-z]+\.[a-z]+`, `[^.]*|https://app\.example\.com`, `.|https://app\.example\.com`,
			`https?://.*:8080`, `https://[a-z0-9-]+\.github\.io`, `https://.*\.co\.uk`, `(null|https://app\.example\.com)`, `https?://app\.example\.com`,
			`https://.*-app\.netlify\.app`, `\*|https://app\.example\.com`,
		} {
			out = append(out, allowance{origin.Regex, text, credentials})
		}
		out = append(out, allowance{origin.Exact, "null", credentials}, allowance{origin.Exact, "http://app.example.com", credentials})
	}
	return append(out, allowance{origin.Exact, "*", true})
}

// findingsOf returns the findings of a document that have witnesses, and the number of
// the host of each.
func findingsOf(t *testing.T, text string) (list diag.List, hosts []int) {
	t.Helper()
	rs, diags := resource.Parse("a.yaml", []byte(text), resource.ParseOptions{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	set, _ := resource.NewSet(rs)
	for _, d := range check.Run(set, check.Options{}) {
		var n int
		if _, err := fmt.Sscanf(d.Object, "VirtualService default/h%d", &n); err == nil && len(d.Witnesses) > 0 {
			list, hosts = append(list, d), append(hosts, n)
		}
	}
	return list, hosts
}

// TestWitnesses: Envoy and the engine let in each origin that a finding of analyze
// names, in the profile istio. In the profile hardened those stay out that come in by
// the literal * alone, and all where credentials are for everybody. And what --fix
// writes keeps each of them out in both profiles, and lets in who was meant.
func TestWitnesses(t *testing.T) {
	b := newBench(t, planesOf(t))
	list := suspects()
	text := allowances(list, b.up.Port())
	found, hosts := findingsOf(t, text)
	istio, safe := enter(b, profileIstio, text), enter(b, profileHardened, text)
	codes, tried := map[string]int{}, 0
	for i, d := range found {
		codes[d.Code]++
		host := fmt.Sprintf("h%d.test", hosts[i])
		for _, w := range d.Witnesses {
			tried++
			if !istio.admitted(host, w) {
				t.Errorf("%v: %s is kept out of %s %q, and %s says that it comes in", list[hosts[i]].credentials, w, list[hosts[i]].key(), list[hosts[i]].text, d.Code)
			}
			out := d.Code == check.CodeLiteralStar || d.Code == check.CodeEveryoneWithCredentials
			if in := safe.admitted(host, w); in && out {
				t.Errorf("%s %q: %s comes in with the profile hardened", list[hosts[i]].key(), list[hosts[i]].text, w)
			} else if !in && !out && !everybody(found, d) {
				t.Errorf("%s %q: %s is kept out with the profile hardened", list[hosts[i]].key(), list[hosts[i]].text, w)
			}
		}
	}
	t.Logf("%d witnesses, by code: %v", tried, codes)
	for _, code := range []string{
		check.CodeEveryoneWithCredentials, check.CodeLiteralStar, check.CodeEveryone, check.CodeOpenPrefix, check.CodeLooseDot, check.CodeOpenRegex,
		check.CodeNullOrigin, check.CodePlainHTTPOrigin, check.CodePublicSuffix,
	} {
		if codes[code] == 0 {
			t.Errorf("no finding has the code %s: the test shows less than it says", code)
		}
	}

	fixed, done, err := resource.Rewrite("a.yaml", []byte(text), found)
	if err != nil || len(done) < 8 {
		t.Fatalf("%d fixes, %v", len(done), err)
	}
	for _, profile := range []string{profileIstio, profileHardened} {
		e := enter(b, profile, string(fixed))
		for i, d := range found {
			if !slices.ContainsFunc(done, func(f diag.Diagnostic) bool { return f.Pos == d.Pos && f.Code == d.Code }) {
				continue
			}
			host := fmt.Sprintf("h%d.test", hosts[i])
			for _, w := range d.Witnesses {
				if e.admitted(host, w) {
					t.Errorf("%s: %q, written for %q, lets %s in", profile, d.Fix.New, d.Fix.Old, w)
				}
			}
			if !e.admitted(host, meant(t, d.Fix.New)) {
				t.Errorf("%s: %q keeps everybody out", profile, d.Fix.New)
			}
		}
	}
}

// everybody reports whether a finding stands in a policy that the profile hardened
// does not use at all, because of its credentials for everybody.
func everybody(found diag.List, d diag.Diagnostic) bool {
	return slices.ContainsFunc(found, func(o diag.Diagnostic) bool {
		return o.Object == d.Object && o.Code == check.CodeEveryoneWithCredentials
	})
}

// meant is an origin that a safe pattern is for.
func meant(t *testing.T, pattern string) string {
	t.Helper()
	p, err := origin.Compile(origin.Regex, pattern, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"https://app.example.com", "https://example.com", "http://localhost", pattern} {
		if p.Match(s) || s == pattern {
			return s
		}
	}
	return ""
}

// TestAttackOrigins: no origin of the rules comes in through an exact origin or a
// pattern that --fix makes, in either profile.
func TestAttackOrigins(t *testing.T) {
	const allowed = "https://app.example.com"
	attempts, err := attackers.Attempts(allowed)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, planesOf(t))
	var list []allowance
	for _, credentials := range []bool{true, false} {
		list = append(list, allowance{origin.Exact, allowed, credentials}, allowance{origin.Prefix, allowed, credentials},
			allowance{origin.Regex, allowed, credentials}, allowance{origin.Regex, `https://app\.example\.com.*`, credentials})
	}
	text := allowances(list, b.up.Port())
	found, _ := findingsOf(t, text)
	fixed, _, err := resource.Rewrite("a.yaml", []byte(text), found)
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, profile := range []string{profileIstio, profileHardened} {
		e := enter(b, profile, string(fixed))
		for i := range list {
			host := fmt.Sprintf("h%d.test", i)
			if !e.admitted(host, allowed) {
				t.Errorf("%s: %s is kept out of %q", profile, allowed, list[i].text)
			}
			for _, a := range attempts {
				// What is no value of a header or too large for a head is refused before
				// any policy.
				if a.Origin == "" || len(a.Origin) > 30_000 || !utf8.ValidString(a.Origin) || strings.ContainsAny(a.Origin, "\r\n\x00\v") {
					continue
				}
				tried++
				if e.admitted(host, a.Origin) {
					t.Errorf("%s: %s lets %q in", profile, a.Rule, a.Origin)
				}
			}
		}
	}
	t.Logf("%d attempts", tried)
}

// TestLanguages compares automata with Envoy: generated patterns and origins near
// them.
func TestLanguages(t *testing.T) {
	b := newBench(t, planesOf(t))
	r := rand.New(rand.NewPCG(tool.Seed(t, "SQUARE_SEED", 1), 3))
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	var list []allowance
	var languages []*origin.Language
	for len(list) < 60 {
		var text strings.Builder
		for range 1 + r.IntN(5) {
			text.WriteString(pick("https://", "https?://", "app", `\.`, ".", ".*", "[a-z0-9-]+", "(a|b|app)", "example", "com", `\w+`, `(:\d+)?`, "[^.]", "(?i:APP)", "x{1,2}", "^", "$", `\b`, "(?:.*\\.)?"))
		}
		a := allowance{origin.Regex, text.String(), false}
		if r.IntN(4) == 0 {
			a = allowance{origin.Prefix, pick("https://a", "http", "https://app.example.com", "x", "https://app.example.com:"), false}
		}
		p, err := origin.Compile(a.kind, a.text, false)
		if err != nil || p.Star() {
			continue
		}
		l, err := p.Language()
		if err != nil {
			continue
		}
		list, languages = append(list, a), append(languages, l)
	}
	e := enter(b, profileIstio, allowances(list, b.up.Port()))
	in, tried := 0, 0
	for i, l := range languages {
		origins := l.Shortest(3)
		for range 7 {
			origins = append(origins, pick("https://", "http://", "")+pick("app", "a", "x", "b.app")+pick(".", "-", "x", "")+pick("example", "app", "a")+pick(".com", "xcom", "", "com", ":80", ".com:8443"))
		}
		for _, o := range origins {
			if o == "" || strings.ContainsFunc(o, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
				continue
			}
			tried++
			got, want := e.admitted(fmt.Sprintf("h%d.test", i), o), l.Has(o)
			if want {
				in++
			}
			if got != want {
				t.Errorf("%s %q on %q: the automaton says %v", list[i].key(), list[i].text, o, want)
			}
		}
	}
	t.Logf("%d pairs, %d of them match", tried, in)
	if in < tried/10 {
		t.Errorf("only %d of %d pairs match", in, tried)
	}
}
