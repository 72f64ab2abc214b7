package resource

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/crossgate/crossgate/internal/diag"
)

// TestErrors runs the files of testdata/errors. A comment
//
//	# want CODE "part of the message" "field path"
//
// on a line is a diagnostic at that line; the path may be left out. One that is
// missing and one that nobody wants both fail. A line "# objects: N" says how many
// objects are good all the same.
func TestErrors(t *testing.T) {
	files, err := filepath.Glob("testdata/errors/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			f := ParseFile(file, data, ParseOptions{})
			compareWants(t, string(data), f)
			if m := regexp.MustCompile(`(?m)^# objects: (\d+)$`).FindSubmatch(data); m == nil {
				t.Error(`no line "# objects: N"`)
			} else if want, _ := strconv.Atoi(string(m[1])); len(f.Resources) != want {
				t.Errorf("%d good objects, want %d", len(f.Resources), want)
			}
			if f.Diags.HasErrors() && len(f.Bad) == 0 && !f.Broken {
				t.Error("errors, but neither bad nor broken")
			}
		})
	}
}

var wantComment = regexp.MustCompile(`# want (\w+) ("(?:[^"\\]|\\.)*")(?: "(.*)")?$`)

func compareWants(t *testing.T, text string, f *File) {
	t.Helper()
	found := slices.Clone(f.Diags)
	for i, line := range strings.Split(text, "\n") {
		for _, part := range strings.SplitAfter(line, "# want ")[1:] {
			m := wantComment.FindStringSubmatch("# want " + strings.TrimRight(strings.TrimSuffix(part, "# want "), " "))
			if m == nil {
				t.Fatalf("line %d: cannot read the comment", i+1)
			}
			message, err := strconv.Unquote(m[2])
			if err != nil {
				t.Fatalf("line %d: %v", i+1, err)
			}
			at := slices.IndexFunc(found, func(d diag.Diagnostic) bool {
				return d.Pos.Line == i+1 && d.Code == m[1] && strings.Contains(fmt.Sprintf("%s: %s", d.Severity, d.Message), message) &&
					(m[3] == "" || d.Path == m[3])
			})
			if at < 0 {
				t.Errorf("line %d: no diagnostic %s %q %s", i+1, m[1], message, m[3])
				continue
			}
			found = slices.Delete(found, at, at+1)
		}
	}
	for _, d := range found {
		t.Errorf("not wanted: %s", d)
	}
}
