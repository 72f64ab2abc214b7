package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/crossgate/crossgate/internal/check"
	"github.com/crossgate/crossgate/internal/devkit"
	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// fix writes the fixes of findings into their files, and says which.
func (p *program) fix(list diag.List) error {
	var files []string
	for _, d := range list {
		if d.Fix != nil && !slices.Contains(files, d.Pos.File) {
			files = append(files, d.Pos.File)
		}
	}
	for _, file := range files {
		data, err := readLimited(file)
		if err != nil {
			return err
		}
		out, done, err := resource.Rewrite(file, data, list)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if len(done) == 0 {
			continue
		}
		if err := replaceFile(file, out); err != nil {
			return err
		}
		for _, d := range done {
			fmt.Fprintf(p.stderr, "fixed: %s: %s: %s [%s]\n", d.Pos, d.Path, d.Fix.New, d.Code)
		}
	}
	return nil
}

// replaceFile puts new content in a file's place at once, and keeps its mode. What
// a symbolic link points to is replaced, and not the link.
func replaceFile(path string, data []byte) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return devkit.ReplaceFile(path, data, info.Mode().Perm())
}

// explainCode prints the page of a code.
func (p *program) explainCode(code string) error {
	page := check.Page(code)
	if page == "" {
		return usagef("--explain %s: there is no such code; docs/codes.md and --list-analyzers have them all", code)
	}
	_, err := fmt.Fprint(p.stdout, page)
	return err
}
