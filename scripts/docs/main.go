// Command docs writes the pages of docs/ that follow from the code: fields.md
// from the table of fields, and codes.md from the codes of diagnostics and the
// checks. A test holds that the pages in the repository are current; "go run
// ./scripts/docs" at the top of the repository makes them so.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// pages are the generated files, by their path in the repository.
var pages = map[string]func() []byte{
	"docs/fields.md": fieldsPage,
	"docs/codes.md":  codesPage,
}

func main() {
	for path, page := range pages {
		if err := os.WriteFile(filepath.FromSlash(path), page(), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "docs:", err)
			os.Exit(1)
		}
	}
}
