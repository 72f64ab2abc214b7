package analyze

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/test/tool"
)

// TestAntiPatterns: each of the guide's anti-patterns, as the script of document 12 has them, is found in its VirtualService: with
// an origin that gets in and nobody meant, where it is the origins that are too wide. The third, reflecting the Origin, is what
// the first does.
func TestAntiPatterns(t *testing.T) {
	script, err := txtar.ParseFile(filepath.Join(tool.Root(), "test/scripts/guide/12-anti-patterns.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	var documents []string
	for _, f := range script.Files {
		if strings.HasSuffix(f.Name, ".yaml") {
			documents = append(documents, strings.ReplaceAll(string(f.Data), "$upstream", "8080"))
		}
	}
	file := filepath.Join(t.TempDir(), "anti-patterns.yaml")
	if err := os.WriteFile(file, []byte(strings.Join(documents, "---\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	found := analyze(file).Diags
	for name, tt := range map[string]struct {
		code     string
		severity diag.Severity
		witness  bool
	}{
		"star":    {"CG0601", diag.Error, true},
		"regex":   {"CG0603", diag.Warning, true},
		"headers": {"CG0613", diag.Info, false}, // a warning in production
		"expose":  {"CG0615", diag.Warning, false},
	} {
		if !slices.ContainsFunc(found, func(d diag.Diagnostic) bool {
			return d.Code == tt.code && d.Object == "VirtualService shop/"+name && d.Severity == tt.severity && (len(d.Witnesses) > 0 || !tt.witness)
		}) {
			t.Errorf("%s: no %s in\n%v", name, tt.code, found)
		}
	}
}
