package check

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/origin"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/test/attack"
)

// TestAttacks: no origin of the rules gets past an exact origin, nor past what --fix
// makes of patterns for it.
func TestAttacks(t *testing.T) {
	const allowed = "https://app.example.com"
	attempts, err := attack.Attempts(allowed)
	if err != nil || len(attempts) < 120 {
		t.Fatalf("%d attempts, %v", len(attempts), err)
	}
	patterns := []origin.Pattern{{Kind: origin.Exact, Text: allowed}}
	for _, m := range []patternKey{
		{origin.Prefix, allowed},
		{origin.Regex, allowed},
		{origin.Regex, allowed + ".*"},
		{origin.Regex, `https://app\.example\.com.*`},
		{origin.Exact, allowed + "/"},
		{origin.Exact, "https://App.Example.com:443"},
	} {
		fixed := judged(t, m).safe
		p, err := origin.Compile(fixed.kind, fixed.text, false)
		if err != nil || fixed.text == "" {
			t.Errorf("%v: there is no safe pattern for %q", m, m.text)
			continue
		}
		patterns = append(patterns, p)
	}
	for _, p := range patterns {
		if !p.Match(allowed) {
			t.Errorf("%v %q: the origin that is meant is kept out", p.Kind, p.Text)
		}
		for _, a := range attempts {
			if p.Match(a.Origin) {
				t.Errorf("%v %q: %s lets %.100q in", p.Kind, p.Text, a.Rule, a.Origin)
			}
		}
	}
}

func judged(t *testing.T, k patternKey) *verdict {
	t.Helper()
	p, err := origin.Compile(k.kind, k.text, false)
	if err != nil {
		t.Fatal(err)
	}
	s := new(shared)
	if s.finder, err = origin.NewFinder(); err != nil {
		t.Fatal(err)
	}
	v := new(verdict)
	s.judge(v, p)
	return v
}

// TestFixesKeepWitnessesOut: a pattern that --fix writes, for the documents of the
// tests and for generated ones, keeps out each origin that showed the finding, and has
// no finding of its kind any more.
func TestFixesKeepWitnessesOut(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		texts[f] = string(data)
	}
	r := rand.New(rand.NewPCG(5, 5))
	for i := range 40 {
		texts[fmt.Sprintf("generated-%d.yaml", i)] = generatedPolicy(r)
	}
	fixes := 0
	for file, text := range texts {
		found := findings(t, file, text)
		out, done, err := resource.Rewrite(file, []byte(text), found)
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		left := findings(t, file, string(out))
		for _, d := range done {
			fixes++
			if slices.ContainsFunc(left, func(l diag.Diagnostic) bool { return l.Code == d.Code && l.Pos.Line == d.Pos.Line }) {
				t.Errorf("%s: is left after its fix", d)
			}
			kind := d.Fix.Key
			if kind == "" {
				kind = d.Path[strings.LastIndexByte(d.Path, '.')+1:]
			}
			p, err := origin.Compile(map[string]origin.Kind{"exact": origin.Exact, "prefix": origin.Prefix, "regex": origin.Regex}[kind], d.Fix.New, false)
			if err != nil {
				t.Errorf("%s: %v", d, err)
			}
			for _, w := range d.Witnesses {
				if p.Match(w) || p.Star() {
					t.Errorf("%s: %q lets %s in", d, d.Fix.New, w)
				}
			}
		}
	}
	t.Logf("%d fixes", fixes)
	if fixes < 100 {
		t.Errorf("only %d fixes: the test shows little", fixes)
	}
}

// generatedPolicy has origins of the shapes that people write, good and bad.
func generatedPolicy(r *rand.Rand) string {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	var b strings.Builder
	b.WriteString("apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v}\nspec:\n  hosts: [a.example]\n  http:\n  - route: [{destination: {host: a}}]\n" +
		"    corsPolicy:\n      allowOrigins:\n")
	for range 10 {
		host := pick("app.", "", "a-b.c.", "*.") + pick("example", "shop-1", "x") + pick(".com", ".co.uk", ".github.io", ".org")
		text := pick("https://", "http://", "https?://") + host + pick("", "", "/", ":443", ":8443", ".*", "(:[0-9]+)?")
		kind := pick("exact", "prefix", "regex", "regex")
		if kind == "regex" {
			text = strings.ReplaceAll(text, "*.", pick(".*", `.*\.`, ".+", "[a-z]+."))
			if r.IntN(2) == 0 {
				text = strings.ReplaceAll(text, host, strings.ReplaceAll(host, ".", `\.`))
			}
			if _, err := origin.Compile(origin.Regex, text, false); err != nil {
				continue
			}
		}
		quoted := pick("'"+text+"'", `"`+strings.ReplaceAll(text, `\`, `\\`)+`"`)
		fmt.Fprintf(&b, "      - %s: %s # note\n", kind, quoted)
	}
	return b.String()
}
