// Command docs writes the pages of docs/ that follow from the code: fields.md
// from the table of fields, codes.md from the codes of diagnostics and the
// checks, engine.md from the engine's lists of fields, and codes/ from the pages of single codes. A test holds that the pages in
// the repository are current; "go run
// ./scripts/docs" at the top of the repository makes them so.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/crossgate/crossgate/internal/check"
)

// pages returns the generated files, by their path in the repository.
func pages() map[string]func() []byte {
	out := map[string]func() []byte{
		"docs/fields.md": fieldsPage,
		"docs/codes.md":  codesPage,
		"docs/engine.md": enginePage,
	}
	for _, code := range check.Paged() {
		out["docs/codes/"+code+".md"] = func() []byte { return []byte(generated + check.Page(code)) }
	}
	return out
}

func main() {
	for path, page := range pages() {
		if err := os.WriteFile(filepath.FromSlash(path), page(), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "docs:", err)
			os.Exit(1)
		}
	}
}
