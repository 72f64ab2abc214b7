package translate

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/xds"
)

// TestEnvoyFilters compares patched snapshots with what istiod 1.31 made of the
// same inputs (testdata/envoyfilter): each operation on each kind of object,
// orders, selectors, and matches that do not match. Where a recording is the
// same as without any patch, it is stored once, in the folder plain.
func TestEnvoyFilters(t *testing.T) {
	const root = "testdata/envoyfilter/"
	dirs, err := filepath.Glob(root + "*/document.yaml")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, doc := range dirs {
		dir := filepath.Dir(doc)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			s, diags := Snapshot(loadSet(t, doc, root+"base.yaml"), Options{Node: recordedNode(), RunsAllFilters: true})
			failOnErrors(t, diags)
			compare(t, "lds", recordedOr[listenerv3.Listener](t, dir, "lds", root+"plain"), byName(s.Listeners))
			compare(t, "rds", recordedOr[routev3.RouteConfiguration](t, dir, "rds", root+"plain"), byName(s.Routes))
			compare(t, "cds", recordedOr[clusterv3.Cluster](t, dir, "cds", root+"plain"), byName(s.Clusters))
			everyRouteHasAPlace(t, s)
		})
	}
}

func recordedOr[T any, M resourceMessage[T]](t *testing.T, dir, kind, otherwise string) map[string]proto.Message {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, kind+".json")); errors.Is(err, fs.ErrNotExist) {
		dir = otherwise
	}
	return recorded[T, M](t, dir, kind)
}

func compare(t *testing.T, kind string, want, got map[string]proto.Message) {
	t.Helper()
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("%s differs from istiod's (-istiod +crossgate):\n%s", kind, diff)
	}
}

// everyRouteHasAPlace: patches move routes, and their places with them.
func everyRouteHasAPlace(t *testing.T, s *xds.Snapshot) {
	t.Helper()
	for _, rc := range s.Routes {
		for _, vh := range rc.GetVirtualHosts() {
			if s.Origins[xds.VirtualHostKey(rc.GetName(), vh.GetName())].Line == 0 && !strings.HasPrefix(vh.GetName(), "blackhole") {
				t.Errorf("virtual host %s has no place", vh.GetName())
			}
			for i := range vh.GetRoutes() {
				if s.Origins[xds.RouteKey(rc.GetName(), vh.GetName(), i)].Line == 0 {
					t.Errorf("route %d of %s has no place", i, vh.GetName())
				}
			}
		}
	}
}

// TestEnvoyFiltersRefused: what istiod's validation refuses is an error here,
// in istiod's words where the rule is the same, and has no effect.
func TestEnvoyFiltersRefused(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/envoyfilter/refused.txtar")
	if err != nil {
		t.Fatal(err)
	}
	words := make(map[string]string)
	for _, f := range archive.Files {
		if name, ok := strings.CutSuffix(f.Name, ".txt"); ok {
			words[name] = strings.TrimSpace(string(f.Data))
		}
	}
	// Our words for values that cannot be decoded.
	words["unknown-type"] = "unknown type type.googleapis.com/nope.Nope"
	words["wrong-type"] = "invalid google.protobuf.Duration value \"soon\""
	for _, f := range archive.Files {
		name, ok := strings.CutSuffix(f.Name, ".yaml")
		if !ok {
			continue
		}
		t.Run(name, func(t *testing.T) {
			rs, diags := resource.Parse(f.Name, f.Data, resource.ParseOptions{})
			if !diags.HasErrors() {
				set, more := resource.NewSet(rs)
				diags = append(diags, more...)
				_, more = Snapshot(set, Options{Node: recordedNode(), RunsAllFilters: true})
				diags = append(diags, more...)
			}
			text := lines(diags)
			if !diags.HasErrors() || !strings.Contains(text, words[name]) {
				t.Errorf("want an error with %q; diagnostics:\n%s", words[name], text)
			}
			for _, d := range diags {
				if d.Pos.Line == 0 {
					t.Errorf("no place: %s", d)
				}
			}
		})
	}
}

// TestEnvoyFilterDiagnostics: what is said of patches that cannot be applied, that
// have no effect, and that keep requests out; and that the others are applied.
func TestEnvoyFilterDiagnostics(t *testing.T) {
	runCase(t, "testdata/envoyfilter/wrong.txtar")
	runCase(t, "testdata/envoyfilter/allowed.txtar")
}
