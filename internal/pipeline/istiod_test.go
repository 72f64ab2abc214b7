package pipeline

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/crossgate/crossgate/internal/check"
	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// mutation is a line of testdata/istiod/mutations.jsonl: a document of bases.yaml
// with one value set or taken away, and what istiod 1.31's validation said of it.
type mutation struct {
	// Base is KIND/NAME of the document.
	Base string
	// Path is the place of the value, as a JSON pointer.
	Path string
	// Value is what stands there instead; without it, nothing does.
	Value json.RawMessage
	// Istiod is the message with which istiod refuses the object; empty, it
	// accepts it.
	Istiod string
	// Warning is what istiod warns of where it accepts.
	Warning string
}

// refusedHere are the reasons for which crossgate refuses what istiod accepts, by
// code and a part of the message; docs/differences.md has them.
var refusedHere = []struct{ code, message string }{
	{"CG0002", "unknown field"},
	{"CG0003", "are the same field"},
	{"CG0007", "control character"},
	{resource.CodeSchema, "only one of"},
	{resource.CodeSchema, "the value is empty"},
	{resource.CodeSchema, "is not a header name"},
	{resource.CodeSchema, "begins no operator"},
	{resource.CodeSchema, "want a number, not \"NaN\""},
	{resource.CodeSchema, "want a number, not \"Infinity\""},
	{resource.CodeSchema, "99 is none of"},
	{resource.CodeSchema, "-1 is none of"},
}

// acceptedHere are values that istiod refuses and crossgate does not;
// docs/differences.md has them, too.
func acceptedHere(m mutation) bool {
	return strings.HasSuffix(m.Path, "/corsPolicy/maxAge") && strings.HasPrefix(string(m.Value), `"0`) || strings.HasSuffix(m.Path, "/corsPolicy") && strings.Contains(string(m.Value), `"maxAge":"0`)
}

// TestIstiodMutations feeds the pipeline a good object and then the same with a
// mutation. What istiod refuses is an error with a place, and the good version
// stays in use; what istiod accepts is in use, but for the reasons of refusedHere.
// A patch of an EnvoyFilter that cannot be decoded is an error, and only the patch
// is left out.
func TestIstiodMutations(t *testing.T) {
	bases := readBases(t)
	for _, m := range readMutations(t) {
		base := bases[m.Base]
		if base == nil {
			t.Fatalf("no base %s", m.Base)
		}
		b := NewBuilder(testOptions())
		good := b.Build(input("a.yaml", string(base)))
		for _, d := range good.Diags {
			if d.Code == resource.CodeSchema {
				t.Fatalf("%s: %s", m.Base, d)
			}
		}
		mutated := mutate(t, base, m)
		got := b.Build(input("a.yaml", string(mutated)))
		judge(t, m, good, got, mutated)
	}
}

func judge(t *testing.T, m mutation, good, got *Result, text []byte) {
	t.Helper()
	kept := len(got.Kept) > 0
	errs := schemaErrors(got.Diags)
	fail := func(what string) {
		t.Helper()
		t.Errorf("%s %s = %s: %s\nistiod: %q\ncrossgate: %v", m.Base, m.Path, m.Value, what, m.Istiod, got.Diags)
	}
	switch {
	case m.Istiod != "" && acceptedHere(m):
		if kept {
			fail("no longer a difference")
		}
	case strings.HasPrefix(m.Istiod, "Envoy filter: ") && len(errs) == 0, strings.HasPrefix(m.Istiod, "referenced type unknown"):
		if !got.Diags.HasErrors() || kept {
			fail("want an error for the patch alone")
		}
	case m.Istiod != "":
		if !kept || len(errs) == 0 {
			fail("istiod refuses it")
			return
		}
		if before, after := onlyObject(t, good), onlyObject(t, got); before.Hash != after.Hash {
			fail("another version is in use than the good one")
		}
		for _, d := range errs {
			if d.Pos.Line < 1 || d.Pos.Line > bytes.Count(text, []byte("\n")) || d.Pos.Col < 1 || d.Message == "" {
				fail("no place")
			}
		}
	case !kept && warnings(got.Diags) < istiodWarnings(m.Warning):
		fail("istiod warns of " + m.Warning)
	case kept:
		for _, d := range errs {
			if !listed(d) {
				fail("istiod accepts it")
				return
			}
		}
	}
}

// warnings counts findings of the kinds that istiod's validation warns of. They
// may be more than istiod's, which loses those of subsets and faults on the way.
func warnings(all diag.List) (n int) {
	for _, d := range all {
		switch d.Code {
		case check.CodeSchemaWarning, check.CodeUnreachableRule, check.CodeIneffectiveMatch, check.CodeServiceAddress, resource.CodeSchema:
			n++
		}
	}
	return n
}

// istiodWarnings counts the warnings of a message, which lists several with "*".
func istiodWarnings(message string) int {
	switch {
	case message == "":
		return 0
	case strings.Contains(message, " errors occurred: "):
		return strings.Count(message, " * ")
	}
	return 1
}

func listed(d diag.Diagnostic) bool {
	for _, r := range refusedHere {
		if d.Code == r.code && strings.Contains(d.Message, r.message) {
			return true
		}
	}
	return false
}

// schemaErrors are the errors about the form of objects.
func schemaErrors(all diag.List) (out diag.List) {
	for _, d := range all {
		if d.Severity == diag.Error && (d.Code == resource.CodeSchema || strings.HasPrefix(d.Code, "CG000")) {
			out = append(out, d)
		}
	}
	return out
}

func onlyObject(t *testing.T, r *Result) *resource.Resource {
	t.Helper()
	var found *resource.Resource
	for _, o := range r.Set.All() {
		if o.Pos.File == "a.yaml" {
			found = o
		}
	}
	if found == nil {
		t.Fatal("no object in use")
	}
	return found
}

func readBases(t *testing.T) map[string][]byte {
	t.Helper()
	data, err := os.ReadFile("testdata/istiod/bases.yaml")
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string][]byte)
	for doc := range strings.SplitSeq(string(data), "\n---\n") {
		var head struct {
			Kind     string
			Metadata struct{ Name string }
		}
		if err := yaml.Unmarshal([]byte(doc), &head); err != nil {
			t.Fatal(err)
		}
		out[head.Kind+"/"+head.Metadata.Name] = []byte(doc)
	}
	return out
}

func readMutations(t *testing.T) (out []mutation) {
	t.Helper()
	f, err := os.Open("testdata/istiod/mutations.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var m mutation
		if err := json.Unmarshal(s.Bytes(), &m); err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
	if len(out) < 500 {
		t.Fatalf("%d mutations", len(out))
	}
	return out
}

// mutate returns a document with one value changed, as YAML.
func mutate(t *testing.T, doc []byte, m mutation) []byte {
	t.Helper()
	var root map[string]any
	if err := yaml.Unmarshal(doc, &root); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(strings.TrimPrefix(m.Path, "/"), "/")
	var at any = root
	for _, p := range parts[:len(parts)-1] {
		at = child(t, at, p)
	}
	value := any(nil)
	if m.Value != nil {
		d := json.NewDecoder(bytes.NewReader(m.Value))
		d.UseNumber()
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
	last := unescape(parts[len(parts)-1])
	switch in := at.(type) {
	case []any:
		i, err := strconv.Atoi(last)
		if err != nil {
			t.Fatal(err)
		}
		in[i] = value
	case map[string]any:
		if in[last] = value; m.Value == nil {
			delete(in, last)
		}
	}
	out, err := yaml.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func child(t *testing.T, in any, name string) any {
	t.Helper()
	switch in := in.(type) {
	case []any:
		i, err := strconv.Atoi(name)
		if err != nil || i >= len(in) {
			t.Fatalf("no item %s", name)
		}
		return in[i]
	case map[string]any:
		return in[unescape(name)]
	}
	t.Fatalf("%q is in no mapping", name)
	return nil
}

func unescape(s string) string { return strings.NewReplacer("~1", "/", "~0", "~").Replace(s) }
