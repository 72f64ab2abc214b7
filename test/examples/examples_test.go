package examples

import (
	"flag"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/crossgate/crossgate/test/envoy"
)

var update = flag.Bool("update", false, "write the answers of the real Envoy into the documents")

// documents returns the runnable documents, relative to the repository.
func documents(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(envoy.Root(), "examples", "*", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	out := []string{"README.md"}
	for _, file := range files {
		rel, err := filepath.Rel(envoy.Root(), file)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, filepath.ToSlash(rel))
	}
	return out
}

func load(t *testing.T, file string) document {
	t.Helper()
	doc, err := parse(read(t, file))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if len(doc) == 0 {
		t.Fatalf("%s: nothing to run", file)
	}
	return doc
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(envoy.Root(), file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestDocuments runs the documents with crossgate as the gateway.
func TestDocuments(t *testing.T) {
	requireCurl(t)
	for _, file := range documents(t) {
		t.Run(file, func(t *testing.T) {
			s := newSandbox(t)
			stop := func() {}
			for _, b := range load(t, file) {
				if b.serve != nil {
					stop()
					stop = s.serve(t, b.serve)
					continue
				}
				s.run(t, file, b)
			}
		})
	}
}

// TestDocumentsOnEnvoy runs the requests of the documents against a real Envoy
// with the bootstrap that translate writes. With -update, its answers become
// what the documents say.
func TestDocumentsOnEnvoy(t *testing.T) {
	requireCurl(t)
	bin := envoy.Require(t)
	for _, file := range documents(t) {
		t.Run(file, func(t *testing.T) {
			s := newSandbox(t)
			doc, answers := load(t, file), map[int][]string{}
			stop := func() {}
			for _, b := range doc {
				switch {
				case b.serve != nil:
					stop()
					stop = s.serveEnvoy(t, bin, b.serve)
				case strings.HasPrefix(b.command, "curl ") && !strings.Contains(b.command, ":15"):
					answers[b.line] = s.run(t, file, b)
				}
			}
			if *update && !t.Failed() {
				text := doc.rewrite(read(t, file), answers)
				if err := os.WriteFile(filepath.Join(envoy.Root(), file), []byte(text), 0o644); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// withoutSecret are the codes found in an example whose Secret is not a file:
// nobody commits a private key, and serve --dev-certs makes one.
var withoutSecret = map[string][]string{"examples/https-gateway": {"IST0101", "CG0207"}}

// TestAnalyze shows that the examples have no findings.
func TestAnalyze(t *testing.T) {
	s := newSandbox(t)
	for _, file := range documents(t) {
		dir := path.Dir(file)
		if dir == "." {
			continue
		}
		t.Run(dir, func(t *testing.T) {
			out, err := s.command(s.bin, "analyze", dir, "--upstream", "catalog.shop=127.0.0.1:3000").CombinedOutput()
			var codes []string
			for _, m := range regexp.MustCompile(`(?m)\[(\w+)\]$`).FindAllSubmatch(out, -1) {
				codes = append(codes, string(m[1]))
			}
			slices.Sort(codes)
			want := slices.Sorted(slices.Values(withoutSecret[dir]))
			if !slices.Equal(codes, want) || (err == nil) != (len(want) == 0) {
				t.Errorf("%v: codes %v, want %v\n%s", err, codes, want, out)
			}
		})
	}
}

// TestExamplesAreListed compares the folders with the list in the README of the
// examples.
func TestExamplesAreListed(t *testing.T) {
	text := read(t, "examples/README.md")
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile(`\]\(([a-z-]+)/?\)`).FindAllStringSubmatch(text, -1) {
		listed[m[1]] = true
	}
	entries, err := os.ReadDir(filepath.Join(envoy.Root(), "examples"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if !listed[e.Name()] {
			t.Errorf("examples/README.md does not list %s", e.Name())
		}
		delete(listed, e.Name())
		if _, err := os.Stat(filepath.Join(envoy.Root(), "examples", e.Name(), "README.md")); err != nil {
			t.Error(err)
		}
	}
	for name := range listed {
		t.Errorf("examples/README.md lists %s, which is not there", name)
	}
}
