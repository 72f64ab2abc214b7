package resource

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const goodService = "apiVersion: v1\nkind: Service\nmetadata: {name: good}\n"

// hostile are documents that must be refused with a positioned error in bounded
// time and memory, while the documents around them load.
func hostile() map[string]struct{ text, want string } {
	service := func(rest string) string { return "apiVersion: v1\nkind: Service\nmetadata: {name: bad}\n" + rest }
	bomb := "apiVersion: v1\nkind: Service\nmetadata: {name: bad}\nx0: &x0 [a]\n"
	for i := 1; i < 12; i++ {
		bomb += fmt.Sprintf("x%d: &x%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*x%d, ", i-1), 10), ", "))
	}
	return map[string]struct{ text, want string }{
		"truncated mapping":          {service("spec: {ports: [{port: 80"), "CG0001"},
		"truncated quote":            {service("spec: {clusterIP: \"10"), "CG0001"},
		"truncated JSON":             {`{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "bad"`, "CG0001"},
		"tab indentation":            {service("spec:\n\tports: []\n"), "CG0001"},
		"mapping in a scalar":        {service("spec: a: b\n"), "CG0001"},
		"list in a mapping":          {service("spec:\n  type: ClusterIP\n  - port: 80\n"), "CG0001"},
		"bad escape":                 {service("spec: {clusterIP: \"\\q\"}\n"), "CG0001"},
		"bad indentation":            {service("spec:\n    ports: []\n  type: ClusterIP\n"), "CG0001"},
		"unknown anchor":             {service("spec: *nowhere\n"), "CG0001"},
		"recursive anchor":           {"a: &a [*a]\n", "CG0006"},
		"recursive mapping":          {service("spec: &s {ports: *s}\n"), "CG0006"},
		"alias bomb":                 {bomb, "CG0006"},
		"alias bomb in merges":       {strings.ReplaceAll(bomb, "[a]", "{k: v}") + "<<: [*x11, *x11]\n", "CG0006"},
		"deep flow":                  {service("spec: " + strings.Repeat("[", 5_000) + strings.Repeat("]", 5_000)), "CG0006"},
		"deeper flow":                {service("spec: " + strings.Repeat("[", 500_000)), "CG0001"},
		"deep block":                 {service("spec: \n" + deepBlock(2_000)), "CG0006"},
		"deep mappings":              {service("spec: " + strings.Repeat("{a: ", 200) + strings.Repeat("}", 200)), "CG0006"},
		"deep JSON":                  {`{"apiVersion":"v1","kind":"Service","metadata":{"name":"bad"},"spec":` + strings.Repeat("[", 3_000) + strings.Repeat("]", 3_000) + "}", "CG0006"},
		"NUL":                        {service("spec: {clusterIP: \"a\x00b\"}\n"), "CG0001"},
		"escape character":           {service("# \x1b[2J\n"), "CG0001"},
		"not UTF-8":                  {service("# caf\xe9\n"), "CG0001"},
		"UTF-16":                     {"\xff\xfea\x00:\x00", "CG0001"},
		"binary":                     {"\x7fELF\x02\x01\x01\x00\x00", "CG0001"},
		"duplicate kind":             {service("kind: Secret\n"), "CG0003"},
		"duplicate JSON key":         {`{"apiVersion":"v1","kind":"Service","kind":"Secret","metadata":{"name":"bad"}}`, "CG0003"},
		"complex key":                {service("spec: {[a]: b}\n"), "CG0001"},
		"empty key":                  {service("spec: {? : b}\n"), "CG0001"},
		"a number":                   {"42\n", "CG0005"},
		"a list":                     {"- a\n- b\n", "CG0005"},
		"no kind":                    {"apiVersion: v1\nmetadata: {name: bad}\n", "CG0005"},
		"kind is a mapping":          {"apiVersion: v1\nkind: {a: b}\nmetadata: {name: bad}\n", "IST0106"},
		"metadata is a list":         {"apiVersion: v1\nkind: Service\nmetadata: [a]\n", "CG0005"},
		"name with a path":           {"apiVersion: v1\nkind: Service\nmetadata: {name: ../../etc/passwd}\n", "CG0005"},
		"long name":                  {"apiVersion: v1\nkind: Service\nmetadata: {name: " + strings.Repeat("a", 254) + "}\n", "CG0005"},
		"spec is a string":           {service("spec: all\n"), "IST0106"},
		"infinite number":            {service("spec: {ports: [{port: .inf}]}\n"), "CG0001"},
		"huge number":                {service("spec: {ports: [{port: 1e999}]}\n"), "IST0106"},
		"long number":                {service("spec: {ports: [{port: " + strings.Repeat("9", 100_000) + "}]}\n"), "IST0106"},
		"bad merge":                  {service("<<: text\n"), "CG0001"},
		"bad tag":                    {service("spec: !!int x\n"), "CG0001"},
		"long unknown field":         {service("spec: {" + strings.Repeat("p", 1_000) + ": 1}\n"), "CG0002"},
		"endless regex":              {virtualService("corsPolicy: {allowOrigins: [{regex: '" + strings.Repeat("a", 5_000) + "'}]}"), "IST0106"},
		"repeated regex":             {virtualService("corsPolicy: {allowOrigins: [{regex: '((a{100}){100}){100}'}]}"), "IST0106"},
		"response splitting":         {virtualService(`headers: {response: {set: {a: "b\r\nc: d"}}}`), "CG0007"},
		"5 MB in one line, unclosed": {service("spec: {clusterIP: [" + strings.Repeat("a, ", 1_700_000)), "CG0001"},
	}
}

func virtualService(rest string) string {
	return virtualServiceHead + "spec: {hosts: [a.example], http: [{route: [{destination: {host: b}}], " + rest + "}]}\n"
}

func deepBlock(levels int) string {
	var b strings.Builder
	for i := range levels {
		b.WriteString(strings.Repeat(" ", i+1) + "a:\n")
	}
	return b.String()
}

func TestHostile(t *testing.T) {
	const limit = 20 * time.Second // the machine may be slow; the parser must not be quadratic
	for name, tt := range hostile() {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			text := goodService + "---\n" + tt.text + "\n---\n" + strings.Replace(goodService, "good", "too", 1)
			f := ParseFile("bad.yaml", []byte(text), ParseOptions{})
			positioned(t, f.Diags, "bad.yaml")
			if len(f.Resources) != 2 || f.Resources[0].Name != "good" || f.Resources[1].Name != "too" {
				t.Errorf("the documents around it: %v", f.Resources)
			}
			if len(f.Diags) == 0 || f.Diags[0].Code != tt.want || f.Diags[0].Pos.Line < 5 {
				t.Errorf("want %s behind line 5, got %.300v", tt.want, f.Diags)
			}
			if !f.Broken && len(f.Bad) == 0 {
				t.Error("neither broken nor bad")
			}
			for _, d := range f.Diags {
				if len(d.Message) > 500 {
					t.Errorf("a message of %d bytes", len(d.Message))
				}
			}
			if took := time.Since(start); took > limit {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestLargeInputs(t *testing.T) {
	big := goodService + "spec: {ports: [{port: 80}]}\n" + strings.Repeat("# comment\n", 500_000)
	f := ParseFile("a", []byte(big), ParseOptions{})
	if len(f.Resources) != 1 || len(f.Diags) > 0 {
		t.Errorf("5 MB of comments: %v", f.Diags)
	}
	f = ParseFile("a", []byte("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData:\n  a: "+strings.Repeat("x", 5<<20)), ParseOptions{})
	if len(f.Resources) != 1 || len(f.Diags) > 0 {
		t.Errorf("5 MB in one value: %v", f.Diags)
	}
	f = ParseFile("a", make([]byte, maxFileBytes+1), ParseOptions{})
	positioned(t, f.Diags, "a")
	if len(f.Diags) != 1 || f.Diags[0].Code != CodeLimit || !f.Broken {
		t.Errorf("too large a file: %v", f.Diags)
	}
	f = ParseFile("a", []byte(strings.Repeat("---\n7\n", maxDocuments+5)), ParseOptions{})
	if n := len(f.Diags); n != maxDocuments+1 || !f.Broken {
		t.Errorf("%d diagnostics of too many documents", n)
	}
}

// TestManyDocuments: 10,000 real documents load in a few seconds and stay small.
func TestManyDocuments(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	var b bytes.Buffer
	for i := range 10_000 {
		fmt.Fprintf(&b, "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: vs-%d, namespace: shop}\nspec:\n  hosts: [h%d.example]\n"+
			"  gateways: [edge]\n  http:\n  - match:\n    - uri: {prefix: /api}\n    corsPolicy:\n      allowOrigins:\n      - exact: https://app.example.com\n"+
			"      - regex: https://.*\\.example\\.com\n      allowMethods: [GET, POST]\n      allowHeaders: [content-type]\n      maxAge: 24h\n      allowCredentials: true\n"+
			"    timeout: 5s\n    route:\n    - destination:\n        host: api\n        port: {number: 8080}\n", i, i)
	}
	start := time.Now()
	f := ParseFile("a", b.Bytes(), ParseOptions{})
	took := time.Since(start)
	set, diags := NewSet(f.Resources)
	if set.Len() != 10_000 || len(f.Diags)+len(diags) > 0 {
		t.Fatalf("%d objects, %v", set.Len(), f.Diags)
	}
	if took > 30*time.Second {
		t.Errorf("took %s", took)
	}
	t.Logf("10,000 documents of %d KB in %s", b.Len()/1024, took)
}

// FuzzParseIsSafeAndPositioned: whatever the bytes are, parsing ends without a
// panic, every diagnostic has a place inside the file, every error belongs to a
// bad object or a broken file, and a good object has a key.
func FuzzParseIsSafeAndPositioned(f *testing.F) {
	for _, tt := range hostile() {
		if len(tt.text) < 4096 {
			f.Add([]byte(tt.text))
		}
	}
	for _, pattern := range []string{"testdata/errors/*.yaml", "testdata/objects/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got := ParseFile("f", data, ParseOptions{})
		positioned(t, got.Diags, "f")
		lines := bytes.Count(data, []byte("\n")) + 1
		for _, d := range got.Diags {
			if d.Pos.Line > lines {
				t.Errorf("a diagnostic behind the end, line %d of %d: %s", d.Pos.Line, lines, d)
			}
		}
		if got.Diags.HasErrors() != (got.Broken || len(got.Bad) > 0) {
			t.Errorf("errors %v, broken %v, bad %v", got.Diags, got.Broken, got.Bad)
		}
		for _, r := range got.Resources {
			if r.Kind == "" || r.Name == "" || r.Hash == "" || r.Pos.Line < 1 {
				t.Errorf("incomplete: %+v", r)
			}
			if p := r.At("spec.http[0].corsPolicy.allowOrigins[0].exact"); p.Line < 1 || p.Line > lines || p.Col < 1 {
				t.Errorf("position %v of %d lines", p, lines)
			}
		}
	})
}
