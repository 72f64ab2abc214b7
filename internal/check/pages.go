package check

import (
	"embed"
	"strings"
)

//go:embed pages
var pages embed.FS

// Page returns the page that explains a code, as Markdown: that of its own, or for
// codes without one what Codes and the checks say. It is empty for codes that do not
// exist.
func Page(code string) string {
	if text, err := pages.ReadFile("pages/" + code + ".md"); err == nil {
		return string(text)
	}
	var b strings.Builder
	for _, c := range Codes() {
		if c.ID == code {
			b.WriteString("# " + c.ID + "\n\n" + c.Doc + "\n")
		}
	}
	for _, c := range Suite() {
		if c.Code == code {
			b.WriteString("\nCheck `" + c.Name + "`. " + c.Doc + "\n")
		}
	}
	return b.String()
}

// Paged are the codes with a page of their own, sorted.
func Paged() []string {
	var out []string
	for _, c := range Codes() {
		if _, err := pages.Open("pages/" + c.ID + ".md"); err == nil {
			out = append(out, c.ID)
		}
	}
	return out
}
