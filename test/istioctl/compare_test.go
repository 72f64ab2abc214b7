package istioctl

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// views are the commands that are compared on every config_dump. The words in
// capitals are replaced by what the dump has.
var views = []string{
	"listeners", "listener --verbose=false", "l -o json", "l -o yaml", "l --port PORT", "l --type http", "l --type TCP -o json",
	"l --address ADDRESS", "l --address 0.0.0.0 --port PORT --type HTTP", "l --port 1",
	"routes", "route --verbose=false", "r -o json", "r -o yaml", "r --name ROUTE", "r --name ROUTE -o json", "r --name nothing",
	"clusters", "cluster -o json", "c -o yaml", "c --port 8080", "c --fqdn api", "c --subset v1", "c --direction outbound",
	"c --direction inbound --fqdn svc -o json",
	"eds", "eds -o json", "eds -o yaml", "eds --port 3000", "eds --status healthy", "eds --cluster CLUSTER", "eds --address 127.0.0.1:3000",
	"secret", "s -o json", "secrets -o yaml",
	"bootstrap", "b -o yaml", "b -o short",
	"all", "a --with-headers --verbose=false", "a --port PORT", "a --name ROUTE --address ADDRESS", "a -o json", "a -o yaml",
}

// endpointViews are those on what /clusters?format=json shows.
var endpointViews = []string{
	"endpoints", "endpoint -o json", "ep -o yaml", "ep --port 3000", "ep --address 127.0.0.1", "ep --status HEALTHY", "ep --status unhealthy -o json",
	"ep --cluster CLUSTER", "ep --cluster CLUSTER --port 3000 -o json", "ep --port 1",
}

// compare runs every view on a dump with both programs.
func compare(t *testing.T, bin string, dump []byte, views []string, words map[string]string) {
	t.Helper()
	succeeded := 0
	for _, view := range views {
		args := strings.Fields(view)
		for i, arg := range args {
			if w, ok := words[arg]; ok {
				args[i] = w
			}
		}
		args = append(args, "-f", "-")
		want, got := istioctl(t, bin, dump, args...), ours(t, dump, append([]string{"proxy-config"}, args...)...)
		if want.code == 0 {
			succeeded++
		}
		if (want.code == 0) != (got.code == 0) {
			t.Errorf("%s: crossgate\n%s\nistioctl\n%s", view, got, want)
			continue
		}
		if diff := cmp.Diff(want.normal(t, args), got.normal(t, args)); diff != "" {
			t.Errorf("%s (-istioctl +crossgate):\n%s", view, diff)
		}
	}
	if succeeded < len(views)/2 {
		t.Errorf("istioctl could read only %d of %d views: this compares too little", succeeded, len(views))
	}
}

// normal returns what is compared of an output: tables and YAML to the byte, JSON
// as a value without the aliases of routes, which only crossgate has.
func (p printed) normal(t *testing.T, args []string) any {
	t.Helper()
	if p.code != 0 || !slices.Contains(args, "json") && args[0] != "bootstrap" {
		return strings.Split(strings.TrimRight(p.stdout, "\n"), "\n")
	}
	var v any
	if err := json.Unmarshal([]byte(p.stdout), &v); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, p)
	}
	if list, ok := v.([]any); ok {
		return slices.DeleteFunc(list, isAlias)
	}
	return v
}

// isAlias recognises an entry that proxyconfig.Aliases made.
func isAlias(v any) bool {
	entry, _ := v.(map[string]any)
	hosts, ok := entry["virtualHosts"].([]any)
	// Of a route configuration, an empty list is left out.
	return ok && len(hosts) == 0 || slices.ContainsFunc(hosts, func(h any) bool {
		host, _ := h.(map[string]any)
		_, ok := host["cors"]
		return ok
	})
}

// TestCompareCanFail shows that a difference is seen.
func TestCompareCanFail(t *testing.T) {
	a, b := printed{stdout: "NAME  X\n"}, printed{stdout: "NAME X\n"}
	if cmp.Diff(a.normal(t, []string{"l"}), b.normal(t, []string{"l"})) == "" {
		t.Error("tables with other blanks are equal")
	}
	a, b = printed{stdout: `[{"a":1}]`}, printed{stdout: `[{"a":2}]`}
	if cmp.Diff(a.normal(t, []string{"l", "json"}), b.normal(t, []string{"l", "json"})) == "" {
		t.Error("other values are equal")
	}
	if isAlias(map[string]any{"name": "https.443.https", "virtualHosts": []any{map[string]any{"name": "x"}}}) {
		t.Error("a route configuration is taken for an alias")
	}
}
