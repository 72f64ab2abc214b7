package check

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

var yamlBlock = regexp.MustCompile("(?s)## (Found|Instead)\n\n```yaml\n(.*?)```")

// TestPages: of the two documents of a page the first has the finding and the second
// has not, and the page speaks of the right check.
func TestPages(t *testing.T) {
	paged := Paged()
	for _, c := range Suite() {
		if strings.HasPrefix(c.Code, "CG06") != slices.Contains(paged, c.Code) {
			t.Errorf("%s: the codes of CORS have pages, and no others", c.Code)
		}
		if !slices.Contains(paged, c.Code) {
			continue
		}
		page := Page(c.Code)
		if !strings.HasPrefix(page, "# "+c.Code+": ") || !strings.Contains(page, "Check `"+c.Name+"`.") || !strings.Contains(page, "\n## Severity\n") {
			t.Errorf("%s: the page is not of the check %s", c.Code, c.Name)
		}
		blocks := yamlBlock.FindAllStringSubmatch(page, -1)
		if len(blocks) != 2 {
			t.Errorf("%s: %d documents", c.Code, len(blocks))
		}
		for _, b := range blocks {
			found := findings(t, c.Code+" "+b[1], asDocument(b[2]))
			has := slices.ContainsFunc(found, func(d diag.Diagnostic) bool { return d.Code == c.Code })
			if has != (b[1] == "Found") {
				t.Errorf("%s: the document %s has the finding: %v\n%v", c.Code, b[1], has, found)
			}
		}
	}
	if Page("IST0130") == "" || Page("CG9999") != "" {
		t.Error("codes without a page are explained by their sentence, and no others")
	}
}

// asDocument makes a document of a part of a route.
func asDocument(text string) string {
	if strings.HasPrefix(text, "apiVersion:") {
		return text
	}
	return `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api, namespace: production}
spec:
  hosts: [api.example.com]
  gateways: [edge]
  http:
  - route: [{destination: {host: api}}]
    ` + strings.ReplaceAll(text, "\n", "\n    ")
}

func findings(t *testing.T, file, text string) diag.List {
	t.Helper()
	rs, diags := resource.Parse(file, []byte(text), resource.ParseOptions{})
	if diags.HasErrors() {
		t.Fatalf("%s: %v", file, diags)
	}
	set, _ := resource.NewSet(rs)
	return Run(set, Options{})
}
