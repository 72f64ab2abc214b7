package pipeline

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/source"
)

// A step of these tests is one state of the input, written as its files:
//
//	a: x1 y2 z!   the file a has x in version 1, y in version 2, and z wrong
//	a: x1 ?       the same file with a part that cannot be told apart
func parseStep(step string) *source.Update {
	u := &source.Update{}
	for line := range strings.SplitSeq(step, "|") {
		name, objects, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			continue // no files
		}
		f := &resource.File{Path: name}
		for _, obj := range strings.Fields(objects) {
			switch {
			case obj == "?":
				f.Broken = true
			case strings.HasSuffix(obj, "!"):
				f.Bad = append(f.Bad, testKey(obj[:1]))
			default:
				f.Resources = append(f.Resources, &resource.Resource{Key: testKey(obj[:1]), Hash: obj})
			}
		}
		u.Files = append(u.Files, f)
	}
	return u
}

func testKey(name string) resource.Key {
	return resource.Key{Kind: "VirtualService", Namespace: "default", Name: name}
}

// render writes what is in use, sorted: "x1 y2".
func render(t testing.TB, rs []*resource.Resource) string {
	t.Helper()
	set, _ := resource.NewSet(rs)
	var out []string
	for _, r := range set.All() {
		out = append(out, r.Hash)
	}
	return strings.Join(out, " ")
}

func TestOverlay(t *testing.T) {
	tests := []struct {
		name  string
		steps []string
		want  []string // what is in use after each step
	}{
		{"edit", []string{"a: x1 y1", "a: x2 y1"}, []string{"x1 y1", "x2 y1"}},
		{"a bad object is absent at the start", []string{"a: x! y1"}, []string{"y1"}},
		{"a broken file is absent at the start", []string{"a: ? | b: y1"}, []string{"y1"}},
		{"an object becomes bad and good again", []string{"a: x1 y1", "a: x! y2", "a: x3 y2"}, []string{"x1 y1", "x1 y2", "x3 y2"}},
		{"bad twice in a row", []string{"a: x1", "a: x!", "a: x!"}, []string{"x1", "x1", "x1"}},
		{"a bad object is removed", []string{"a: x1 y1", "a: x! y1", "a: y1"}, []string{"x1 y1", "x1 y1", "y1"}},
		{"a file breaks and is mended", []string{"a: x1 y1 | b: z1", "a: ? | b: z2", "a: x2 | b: z2"}, []string{"x1 y1 z1", "x1 y1 z2", "x2 z2"}},
		{"a file breaks behind its first object", []string{"a: x1 y1", "a: x2 ?"}, []string{"x1 y1", "x2 y1"}},
		{"a broken file is deleted", []string{"a: x1 | b: y1", "a: ? | b: y1", "b: y1"}, []string{"x1 y1", "x1 y1", "y1"}},
		{"a file is deleted", []string{"a: x1 | b: y1", "b: y1"}, []string{"x1 y1", "y1"}},
		{"all is deleted", []string{"a: x1 | b: y1", ""}, []string{"x1 y1", ""}},
		{"move", []string{"a: x1 y1 | b: z1", "a: y1 | b: x1 z1"}, []string{"x1 y1 z1", "x1 y1 z1"}},
		{"move to a new file", []string{"a: x1", "b: x2"}, []string{"x1", "x2"}},
		{"move out of a file that breaks", []string{"a: x1 y1 | b: z1", "a: ? | b: x2 z1"}, []string{"x1 y1 z1", "x2 y1 z1"}},
		{"moved, and deleted while the old file is broken", []string{"a: x1 y1 | b: z1", "a: ? | b: x2 z1", "a: ? | b: z1"}, []string{"x1 y1 z1", "x2 y1 z1", "y1 z1"}},
		{"moved, and its new place is bad", []string{"a: x1 | b: y1", "b: x! y1"}, []string{"x1 y1", "x1 y1"}},
		{"moved, its new place is bad, then broken", []string{"a: x1 | b: y1", "b: x! y1", "b: ?"}, []string{"x1 y1", "x1 y1", "x1 y1"}},
		{"renamed file that breaks at once loses its objects", []string{"a: x1", "b: ?"}, []string{"x1", ""}},
		{"defined twice", []string{"a: x1 | b: x2", "b: x2"}, []string{"x1", "x2"}},
		{"defined twice, and the first becomes bad", []string{"a: x1 | b: x2", "a: x! | b: x2"}, []string{"x1", "x2"}},
		{"gone, and bad when it returns", []string{"a: x1", "a: y1", "a: x! y1"}, []string{"x1", "y1", "y1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var o overlay
			for i, step := range tt.steps {
				rs, _ := o.apply(parseStep(step))
				if got := render(t, rs); got != tt.want[i] {
					t.Errorf("step %d (%s): %q, want %q", i, step, got, tt.want[i])
				}
			}
		})
	}
}

func TestOverlayKept(t *testing.T) {
	var o overlay
	o.apply(parseStep("a: x1 y1 | b: z1"))
	_, kept := o.apply(parseStep("a: ? | b: z! w!"))
	want := []resource.Key{testKey("z"), testKey("x"), testKey("y")}
	if diff := cmp.Diff(want, kept); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestOverlayModel compares the overlay with a model that looks at one key at a
// time and keeps nothing but the last answer, over random edits of three files.
func TestOverlayModel(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		var o overlay
		model := map[string]modelled{}
		var history []string
		for range 12 {
			step := randomStep(rnd)
			history = append(history, step)
			u := parseStep(step)
			rs, _ := o.apply(u)
			model = nextModel(model, u)
			if got, want := render(t, rs), renderModel(model); got != want {
				t.Fatalf("seed %d: %q, want %q after\n%s", seed, got, want, strings.Join(history, "\n"))
			}
		}
	}
}

type modelled struct{ version, file string }

func nextModel(prev map[string]modelled, u *source.Update) map[string]modelled {
	next := map[string]modelled{}
	for _, name := range testNames {
		if m, ok := modelObject(name, prev, u); ok {
			next[name] = m
		}
	}
	return next
}

func modelObject(name string, prev map[string]modelled, u *source.Update) (modelled, bool) {
	for _, f := range u.Files {
		for _, r := range f.Resources {
			if r.Name == name {
				return modelled{r.Hash, f.Path}, true
			}
		}
	}
	old, had := prev[name]
	for _, f := range u.Files {
		if slices.Contains(f.Bad, testKey(name)) {
			return modelled{old.version, f.Path}, had
		}
	}
	for _, f := range u.Files {
		if f.Broken && f.Path == old.file {
			return old, had
		}
	}
	return modelled{}, false
}

func renderModel(m map[string]modelled) string {
	var out []string
	for _, v := range m {
		out = append(out, v.version)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

var testNames = []string{"w", "x", "y", "z"}

func randomStep(rnd *rand.Rand) string {
	var files []string
	for _, path := range []string{"a", "b", "c"} {
		if rnd.IntN(4) == 0 {
			continue
		}
		line := path + ":"
		for _, name := range testNames {
			switch rnd.IntN(6) {
			case 0, 1:
				line += fmt.Sprintf(" %s%d", name, rnd.IntN(10))
			case 2:
				line += " " + name + "!"
			}
		}
		if rnd.IntN(4) == 0 {
			line += " ?"
		}
		files = append(files, line)
	}
	return strings.Join(files, " | ")
}
