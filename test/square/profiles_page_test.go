package square

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/crossgate/crossgate/test/envoy"
	"github.com/crossgate/crossgate/test/gate"
)

// TestProfilesPage compares the routes that docs/profiles.md shows with what is made
// of the document there.
func TestProfilesPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(envoy.Root(), "docs", "profiles.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "policy.yaml"), []byte(fenced(t, string(page), "policy.yaml")), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := translate(gate.Binary(t), profileHardened, dir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]any{}
	collectRoutes(decode(t, out), made)
	shown := 0
	var routes []any
	if err := yaml.Unmarshal([]byte(fenced(t, string(page), "routes.yaml")), &routes); err != nil {
		t.Fatal(err)
	}
	for _, r := range routes {
		name := fmt.Sprint(r.(map[string]any)["name"])
		if made[name] == nil {
			t.Errorf("there is no route %s", name)
			continue
		}
		shown++
		if diff := missing(name, r, made[name]); diff != "" {
			t.Error(diff)
		}
	}
	if shown < 8 {
		t.Errorf("%d routes are shown", shown)
	}
}

// fenced is the block of YAML that begins with "# NAME".
func fenced(t *testing.T, page, name string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, "```yaml\n# "+name+"\n")
	if !ok {
		t.Fatalf("no block %s", name)
	}
	text, _, _ := strings.Cut(rest, "\n```")
	return text
}

func decode(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// collectRoutes finds everything that has a name and a match.
func collectRoutes(v any, out map[string]any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			collectRoutes(e, out)
		}
	case map[string]any:
		if name, ok := v["name"].(string); ok && v["match"] != nil {
			out[name] = v
		}
		for _, e := range v {
			collectRoutes(e, out)
		}
	}
}

// missing says where want is not a part of got; lists have to be whole.
func missing(path string, want, got any) string {
	switch w := want.(type) {
	case map[string]any:
		g, _ := got.(map[string]any)
		for key, v := range w {
			if diff := missing(path+"."+key, v, g[key]); diff != "" {
				return diff
			}
		}
		return ""
	case []any:
		g, _ := got.([]any)
		if len(g) < len(w) || len(g) > len(w) && !strings.HasSuffix(path, "_to_add") {
			return fmt.Sprintf("%s: %d entries, made are %d", path, len(w), len(g))
		}
		for i := range w {
			if diff := missing(fmt.Sprintf("%s[%d]", path, i), w[i], g[i]); diff != "" {
				return diff
			}
		}
		return ""
	}
	if fmt.Sprint(want) != fmt.Sprint(got) {
		return fmt.Sprintf("%s: %v, made is %v", path, want, got)
	}
	return ""
}
