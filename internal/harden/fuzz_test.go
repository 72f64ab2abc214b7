package harden

import (
	"path/filepath"
	"testing"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	"golang.org/x/tools/txtar"

	"github.com/crossgate/crossgate/internal/cors"
	"github.com/crossgate/crossgate/internal/xds"
)

// FuzzSnapshot: whatever a bootstrap says, hardening it ends, keeps every route that
// has no policy, and gives the same for the same.
func FuzzSnapshot(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for i, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range a.Files {
			if filepath.Ext(part.Name) == ".yaml" {
				f.Add(part.Data, uint8(i), uint8(i*37), uint8(i))
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, level, without, reportOnly uint8) {
		s, _ := xds.LoadBootstrap("fuzz.yaml", data)
		if s == nil {
			return
		}
		o := Options{Settings: cors.Settings{Level: cors.Level(level % 4), Without: cors.Rules(without) & cors.AllRules, ReportOnly: cors.Level(reportOnly % 4)}}
		first, _ := Snapshot(s, o)
		second, _ := Snapshot(s, o)
		if first.Version != second.Version {
			t.Error("the same input gives two snapshots")
		}
		for i, l := range first.Listeners {
			if kept, had := plainRoutes(l), plainRoutes(s.Listeners[i]); kept != had {
				t.Errorf("%d routes without a policy of %d are left", kept, had)
			}
		}
	})
}

// plainRoutes counts the routes that no policy could be for.
func plainRoutes(l *listenerv3.Listener) (n int) {
	for _, fc := range xds.FilterChains(l) {
		for _, f := range fc.GetFilters() {
			rc := xds.ConnectionManager(f).GetRouteConfig()
			if rc.GetTypedPerFilterConfig()[xds.CorsFilter] != nil {
				continue
			}
			for _, vh := range rc.GetVirtualHosts() {
				if vh.GetTypedPerFilterConfig()[xds.CorsFilter] != nil {
					continue
				}
				for _, r := range vh.GetRoutes() {
					if r.GetTypedPerFilterConfig()[xds.CorsFilter] == nil && r.GetMetadata().GetFilterMetadata()[xds.MetadataNamespace] == nil {
						n++
					}
				}
			}
		}
	}
	return n
}
