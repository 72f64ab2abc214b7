package xds

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/crossgate/crossgate/internal/diag"
)

var update = flag.Bool("update", false, "rewrite the wanted parts of testdata")

func readGood(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/bootstraps/good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestLoadBootstrap(t *testing.T) {
	s, diags := LoadBootstrap("good.yaml", readGood(t))
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	if len(s.Listeners) != 2 || len(s.Clusters) != 1 || len(s.Secrets) != 1 {
		t.Fatalf("%d listeners, %d clusters, %d secrets", len(s.Listeners), len(s.Clusters), len(s.Secrets))
	}
	if s.Bootstrap.GetNode().GetId() != "node" || s.Bootstrap.GetStaticResources() != nil || s.Version == "" {
		t.Errorf("bootstrap %v, version %q", s.Bootstrap, s.Version)
	}
	for key, want := range map[string]string{
		ListenerKey("http"):          "good.yaml:6:5",
		ListenerKey("again"):         "good.yaml:31:5",
		ClusterKey("up"):             "good.yaml:36:5",
		SecretKey("token"):           "good.yaml:40:5",
		VirtualHostKey("r", "api"):   "good.yaml:24:15",
		RouteKey("r", "api", 1):      "good.yaml:29:17",
		RouteConfigKey("r"):          "good.yaml:22:13",
		RouteKey("r", "api", 2):      "-",
		ListenerKey("no such thing"): "-",
	} {
		if got := s.Origins[key].String(); got != want {
			t.Errorf("Origins[%s] = %s, want %s", key, got, want)
		}
	}
}

// TestLoadBootstrapErrors runs testdata/load/*.txtar: a bootstrap and what is
// wrong with it.
func TestLoadBootstrapErrors(t *testing.T) {
	files, err := filepath.Glob("testdata/load/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil || len(a.Files) != 2 {
				t.Fatalf("want a bootstrap and its errors: %v", err)
			}
			s, diags := LoadBootstrap(a.Files[0].Name, a.Files[0].Data)
			if (s == nil) != diags.HasErrors() {
				t.Errorf("snapshot %v beside %v", s, diags)
			}
			var got bytes.Buffer
			for _, d := range diags {
				fmt.Fprintln(&got, d)
			}
			if *update {
				a.Files[1].Data = got.Bytes()
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(a.Files[1].Data), got.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestLoadBootstrapHostile: inputs that are large in one way or another end
// with an error and soon.
func TestLoadBootstrapHostile(t *testing.T) {
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 12; i++ {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	for name, data := range map[string]string{
		"empty":         "",
		"null":          "null",
		"list":          "[1]",
		"truncated":     string(readGood(t))[:900],
		"truncated {":   `{"static_resources": {"listeners": [`,
		"NUL":           "a: \x00",
		"not UTF-8":     "a: \xff\xfe",
		"itself":        "a: &a [*a]",
		"duplicate key": "admin: {}\nadmin: {}",
		"alias bomb":    bomb,
		"deep":          strings.Repeat(`{"node":{"metadata":`, 1) + strings.Repeat(`{"a":`, 20000) + "1" + strings.Repeat("}", 20002),
		"deep YAML":     "node: {metadata: " + strings.Repeat("{a: ", 20000) + "1" + strings.Repeat("}", 20001),
		"surrogates":    `{"node": {"id": "\ud83d"}, "x": 1}`,
	} {
		t.Run(name, func(t *testing.T) {
			s, diags := LoadBootstrap("x", []byte(data))
			if s != nil || !diags.HasErrors() {
				t.Fatalf("accepted: %v", diags)
			}
			for _, d := range diags {
				if d.Pos.File != "x" || d.Message == "" || len(d.Message) > 1000 {
					t.Errorf("bad diagnostic: %.200s", d)
				}
			}
		})
	}
}

func FuzzLoadBootstrap(f *testing.F) {
	f.Add(readGood(f))
	f.Add([]byte(`{"static_resources":{"listeners":[{"name":1,"filter_chains":[{"filters":[{"typed_config":{"@type":"x"}}]}]}]}}`))
	f.Add([]byte("static_resources: {clusters: [{name: a, connect_timeout: x}]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		// A snapshot or errors, never both and never neither; every position is
		// inside the file.
		s, diags := LoadBootstrap("x", data)
		if (s == nil) != diags.HasErrors() {
			t.Errorf("snapshot %v beside %v", s, diags)
		}
		lines := bytes.Count(data, []byte("\n")) + bytes.Count(data, []byte("\r")) + bytes.Count(data, []byte("\u2028")) +
			bytes.Count(data, []byte("\u2029")) + bytes.Count(data, []byte("\u0085")) + 1
		if i := slices.IndexFunc(diags, func(d diag.Diagnostic) bool { return d.Pos.File != "x" || d.Pos.Line > lines+1 }); i >= 0 {
			t.Errorf("%v is outside a file of %d lines", diags[i], lines)
		}
	})
}
