package xds

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crossgate/crossgate/test/envoy"
)

func TestMain(m *testing.M) {
	code := m.Run()
	envoy.ReportSkipped()
	os.Exit(code)
}

// TestConfigDumpIsEnvoys loads a bootstrap here and into a real Envoy and
// compares the two dumps, whole and by the parameters of the query.
func TestConfigDumpIsEnvoys(t *testing.T) {
	bin := envoy.Require(t)
	dir := t.TempDir()
	path, address := filepath.Join(dir, "bootstrap.yaml"), filepath.Join(dir, "admin")
	if err := os.WriteFile(path, readGood(t), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := envoy.Run(exec.Command(bin, "-c", path, "--use-dynamic-base-id", "--concurrency", "1", "-l", "error", "--admin-address-path", address))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	var admin string
	if err := p.WaitFor(20*time.Second, func() bool {
		data, err := os.ReadFile(address)
		admin = string(data)
		if err != nil || admin == "" {
			return false
		}
		status, _ := get(t, "http://"+admin+"/ready")
		return status == http.StatusOK
	}); err != nil {
		t.Fatal(err)
	}
	s, diags := LoadBootstrap("good.yaml", readGood(t))
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	for _, tt := range []struct {
		query string
		opts  DumpOptions
	}{
		{"", DumpOptions{}},
		{"resource=static_clusters", DumpOptions{Resource: "static_clusters"}},
		{"resource=static_route_configs&mask=last_updated", DumpOptions{Resource: "static_route_configs", Mask: "last_updated"}},
		{"resource=dynamic_route_configs", DumpOptions{Resource: "dynamic_route_configs"}},
		{"mask=dynamic_route_configs,static_route_configs", DumpOptions{Mask: "dynamic_route_configs,static_route_configs"}},
		{"mask=static_secrets", DumpOptions{Mask: "static_secrets"}},
		{"resource=nope", DumpOptions{Resource: "nope"}},
		{"resource=bootstrap", DumpOptions{Resource: "bootstrap"}},
		{"mask=nope", DumpOptions{Mask: "nope"}},
	} {
		t.Run(tt.query, func(t *testing.T) {
			status, want := get(t, "http://"+admin+"/config_dump?"+tt.query)
			got, err := s.ConfigDump(tt.opts)
			if err != nil {
				de, ok := err.(*DumpError)
				if !ok || de.Status != status || de.Message != want {
					t.Errorf("got %v, Envoy says %d %s", err, status, want)
				}
				return
			}
			if status != http.StatusOK {
				t.Fatalf("Envoy says %d %s, got a dump", status, want)
			}
			if diff := cmp.Diff(normalized(t, []byte(want)), normalized(t, got)); diff != "" {
				t.Errorf("(-envoy +crossgate):\n%s", diff)
			}
		})
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url) //nolint:gosec // The admin interface of the Envoy just started.
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// normalized removes times, what Envoy tells of itself, and the order of
// lists, which is that of its hash maps.
func normalized(t *testing.T, text []byte) any {
	t.Helper()
	var dump struct {
		Configs []map[string]any `json:"configs"`
	}
	if err := json.Unmarshal(text, &dump); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	for _, c := range dump.Configs {
		// Envoy's own bootstrap lists its version and extensions.
		if _, ok := c["bootstrap"]; ok {
			c["bootstrap"] = "…"
		}
		withoutTimes(c)
		for k, v := range c {
			if list, ok := v.([]any); ok {
				slices.SortFunc(list, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
				c[k] = list
			}
		}
	}
	slices.SortFunc(dump.Configs, func(a, b map[string]any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return dump.Configs
}

func withoutTimes(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v["last_updated"]; ok {
			v["last_updated"] = "…"
		}
		for _, e := range v {
			withoutTimes(e)
		}
	case []any:
		for _, e := range v {
			withoutTimes(e)
		}
	}
}
