package square

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/crossgate/crossgate/test/envoy"
)

var caseID = regexp.MustCompile(`\[(\d\d\.\d+)\]`)

// TestGuideTable keeps docs/guide.md and the guide's scripts together: every
// number of the table has requests, every number of a script stands in the
// table, and every row begins with a verdict.
func TestGuideTable(t *testing.T) {
	table, err := os.ReadFile(filepath.Join(envoy.Root(), "docs", "guide.md"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(envoy.Root(), "test", "scripts", "guide", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	shown, otherwise := map[string]bool{}, map[string]bool{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range caseID.FindAllStringSubmatch(string(data), -1) {
			shown[m[1]] = true
		}
		s, err := ParseScript(data)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range s.blocks {
			for _, m := range caseID.FindAllStringSubmatch(strings.Join(b.head, "\n"), -1) {
				otherwise[m[1]] = otherwise[m[1]] || b.test != nil && b.test.Hardened != nil
			}
		}
	}
	stated := map[string]bool{}
	rows := 0
	for i, line := range strings.Split(string(table), "\n") {
		cells := strings.Split(strings.ReplaceAll(line, `\|`, "/"), " | ")
		if !strings.HasPrefix(line, "| ") || cells[0] == "| statement" {
			continue
		}
		rows++
		if len(cells) != 3 {
			t.Errorf("docs/guide.md:%d: %d cells, want 3", i+1, len(cells))
			continue
		}
		if !regexp.MustCompile(`^(true|true with hardened|false|open|as the rows above)\b`).MatchString(cells[1]) {
			t.Errorf("docs/guide.md:%d: no verdict: %q", i+1, cells[1])
		}
		if strings.HasPrefix(cells[1], "true with hardened") && !strings.Contains(cells[2], "`test/") &&
			!slices.ContainsFunc(caseID.FindAllStringSubmatch(cells[2], -1), func(m []string) bool { return otherwise[m[1]] }) {
			t.Errorf("docs/guide.md:%d: no request shows that the profile hardened answers otherwise", i+1)
		}
		for _, m := range caseID.FindAllStringSubmatch(cells[2], -1) {
			stated[m[1]] = true
			if !shown[m[1]] {
				t.Errorf("docs/guide.md:%d: no request shows [%s]", i+1, m[1])
			}
		}
	}
	for id := range shown {
		if !stated[id] {
			t.Errorf("docs/guide.md does not mention [%s], which a script shows", id)
		}
	}
	if rows < 80 {
		t.Errorf("only %d statements: was the table lost?", rows)
	}
}
