package explain

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossgate/crossgate/internal/advise"
	"github.com/crossgate/crossgate/test/gate"
	"github.com/crossgate/crossgate/test/tool"
)

// TestInstance asks a running gateway, over HTTPS, and its files: what is known of both is the same, the places of routes and
// policies included. Only the objects are not known of
// the instance, and so neither the line of a field nor a change.
func TestInstance(t *testing.T) {
	document := filepath.Join(tool.Root(), "test/analyze/testdata/14-complete-example.yaml")
	g := gate.ServeOn(t, 443, document, "--dev-certs")
	for _, call := range [][]string{
		{"--origin", "https://app.example.com", "--method", "PUT", "--header", "content-type=application/json", "--credentials", "include"},
		{"--origin", "https://app.example.com", "--method", "PUT", "--header", "x-not-allowed"},
		{"--origin", "https://evil.test"},
	} {
		call = append(call, "--url", "https://api.example.com/api/v1/users")
		files := explained(t, append(call, document, "--dev-certs")...)
		running := explained(t, append(call, "--port-offset", fmt.Sprint(g.Offset()))...)
		if len(files.Hops) == 0 || files.Hops[0].Route == nil || files.Hops[0].Route.Policy == "" {
			t.Fatalf("%v: %+v", call, files)
		}
		if !files.Allowed() && (files.Change == nil || files.Because.Position == "") {
			t.Errorf("%v: no change, or no line: %+v", call, files.Because)
		}
		if !running.Allowed() && len(running.Notes) == 0 {
			t.Errorf("%v: nothing says why there is no change", call)
		}
		files.Because, running.Because, files.Change, running.Notes = nil, nil, nil, nil
		if diff := cmp.Diff(files, running, cmp.AllowUnexported(advise.Hop{})); diff != "" {
			t.Errorf("%v: (-files +instance)\n%s", call, diff)
		}
	}
}

func explained(t *testing.T, args ...string) *advise.Explanation {
	t.Helper()
	out, err := exec.Command(gate.Binary(t), append([]string{"explain", "-o", "json"}, args...)...).Output()
	var e advise.Explanation
	if json.Unmarshal(out, &e) != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return &e
}
