package check

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// TestChecks runs each check on the files of its testdata folder. A comment
//
//	# want CODE "part of the message"
//
// on a line is a finding there; one that is missing and one that nobody wants
// both fail. A file whose first line is "# allow-unenforced" runs so.
func TestChecks(t *testing.T) {
	for _, c := range Suite() {
		t.Run(c.Name, func(t *testing.T) {
			files, err := filepath.Glob(filepath.Join("testdata", c.Name, "*.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			var positive, negative int
			for _, file := range files {
				if testFile(t, c, file) > 0 {
					positive++
				} else {
					negative++
				}
			}
			if positive == 0 || negative == 0 {
				t.Errorf("%d files with findings and %d without; want one of each at least", positive, negative)
			}
		})
	}
}

var wantComment = regexp.MustCompile(`# want (\w+) (".*")$`)

func testFile(t *testing.T, c *Check, file string) (wanted int) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rs, diags := resource.Parse(file, data, resource.ParseOptions{})
	if diags.HasErrors() {
		t.Fatalf("%s: %v", file, diags)
	}
	set, diags := resource.NewSet(rs)
	if len(diags) > 0 {
		t.Fatalf("%s: %v", file, diags)
	}
	found := c.run(set, Options{AllowUnenforced: bytes.HasPrefix(data, []byte("# allow-unenforced\n"))}, new(shared))
	for i, line := range strings.Split(string(data), "\n") {
		m := wantComment.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		wanted++
		text, err := strconv.Unquote(m[2])
		if err != nil {
			t.Fatalf("%s:%d: %v", file, i+1, err)
		}
		at := slices.IndexFunc(found, func(d diag.Diagnostic) bool {
			return d.Pos.Line == i+1 && d.Code == m[1] && strings.Contains(fmt.Sprintf("%s: %s", d.Severity, d.Message), text)
		})
		if at < 0 {
			t.Errorf("%s:%d: no finding %s %q", file, i+1, m[1], text)
			continue
		}
		found = slices.Delete(found, at, at+1)
	}
	for _, d := range found {
		t.Errorf("not wanted: %s", d)
	}
	return wanted
}

// TestSuite holds the suite to its own rules.
func TestSuite(t *testing.T) {
	registered := registry(t)
	names := make(map[string]bool)
	for _, c := range Suite() {
		if names[c.Name] || !regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`).MatchString(c.Name) {
			t.Errorf("the name %q is taken or not lower case with hyphens", c.Name)
		}
		names[c.Name] = true
		if !strings.HasSuffix(c.Doc, ".") || c.Run == nil {
			t.Errorf("%s: no sentence in Doc, or no Run", c.Name)
		}
		if !registered[c.Code] {
			t.Errorf("%s: the code %q is not in Codes", c.Name, c.Code)
		}
	}
	folders, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		if !names[f.Name()] {
			t.Errorf("testdata/%s belongs to no check", f.Name())
		}
	}
}

// registry returns the registered codes and checks that each has a sentence, once
// and in order.
func registry(t *testing.T) map[string]bool {
	registered := make(map[string]bool)
	last := ""
	for _, c := range Codes() {
		if c.ID <= last || !strings.HasSuffix(c.Doc, ".") {
			t.Errorf("%s is out of order or has no sentence", c.ID)
		}
		last = c.ID
		registered[c.ID] = true
	}
	return registered
}

// TestCodesAreRegistered looks for codes in the source of every package.
func TestCodesAreRegistered(t *testing.T) {
	registered := registry(t)
	used := make(map[string]bool)
	code := regexp.MustCompile(`"((?:CG|IST)\d{4})"`)
	err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || filepath.Base(path) == "codes.go" && filepath.Base(filepath.Dir(path)) == "check" {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range code.FindAllSubmatch(text, -1) {
			used[string(m[1])] = true
			if !registered[string(m[1])] {
				t.Errorf("%s: %s is not in Codes of package check", path, m[1])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(used) < 5 {
		t.Errorf("found only %d codes in the source; is the search broken?", len(used))
	}
}

// TestRunIsSorted is what printers rely on.
func TestRunIsSorted(t *testing.T) {
	data, err := os.ReadFile("testdata/unbuilt-field/all.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rs, _ := resource.Parse("a.yaml", data, resource.ParseOptions{})
	slices.Reverse(rs)
	set, _ := resource.NewSet(rs)
	got := Run(set, Options{})
	if len(got) == 0 || !slices.IsSortedFunc(got, func(a, b diag.Diagnostic) int { return a.Pos.Line - b.Pos.Line }) {
		t.Errorf("not sorted: %v", got)
	}
}
