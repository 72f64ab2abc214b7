package cli

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/crossgate/crossgate/internal/pipeline"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/source"
	"github.com/crossgate/crossgate/internal/translate"
	"github.com/crossgate/crossgate/internal/xds"
)

var update = flag.Bool("update", false, "write the golden files anew")

func defaultPorts() xds.Ports { return xds.Ports{Bind: "127.0.0.1"} }

func emptySnapshot() *xds.Snapshot { return &xds.Snapshot{} }

// TestBanner compares what serve prints with testdata/banner: input.yaml is
// served with the flags in the file flags, stdout is what comes of it.
func TestBanner(t *testing.T) {
	files, err := filepath.Glob("testdata/banner/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			section := map[string]int{}
			for i, f := range archive.Files {
				section[f.Name] = i
			}
			input := archive.Files[section["input.yaml"]].Data
			got := bannerOf(t, input, strings.Fields(string(archive.Files[section["upstreams"]].Data)))
			golden := &archive.Files[section["stdout"]]
			if *update {
				golden.Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(golden.Data), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func bannerOf(t *testing.T, input []byte, upstreams []string) string {
	t.Helper()
	flags := inputFlags{namespace: "default", node: translate.DefaultNode(), upstreams: upstreams}
	opts, err := flags.options()
	if err != nil {
		t.Fatal(err)
	}
	file := resource.ParseFile("input.yaml", input, flags.parse())
	res := pipeline.NewBuilder(opts).Build(&source.Update{Files: []*resource.File{file}})
	if res.Diags.HasErrors() {
		t.Fatal(res.Diags)
	}
	var b strings.Builder
	if err := (banner{snapshot: res.Snapshot, ports: defaultPorts()}).write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestParseAddress(t *testing.T) {
	ports := xds.Ports{Bind: "192.0.2.7", Offset: 100}
	for value, want := range map[string]string{
		"127.0.0.1:15000": "127.0.0.1:15100",
		":15021":          "192.0.2.7:15121",
		"[::1]:0":         "[::1]:0",
		"off":             "off",
		"15000":           "",
		"a:b":             "",
		"a:65535":         "",
		"a:70000":         "",
	} {
		got, err := parseAddress("admin-address", value, ports)
		text := got.String()
		if got.off {
			text = "off"
		}
		if err != nil {
			text = ""
		}
		if text != want {
			t.Errorf("%s: %q (%v), want %q", value, text, err, want)
		}
	}
}
