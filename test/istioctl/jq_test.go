package istioctl

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// guideFilter is the one of the guide's debugging section, as written there.
const guideFilter = `.[] | select(.name == "https.443.https") | .virtualHosts[].cors`

// TestGuideFilter runs the guide's filter, with the real jq, on the routes of
// files: it prints each policy with its route and its place in the file.
func TestGuideFilter(t *testing.T) {
	bin := jq.Require(t)
	routes := ours(t, nil, "proxy-config", "routes", config(t), "--dev-certs", "-o", "json")
	if routes.code != 0 {
		t.Fatal(routes)
	}
	run := func(filter string) string {
		cmd := exec.Command(bin, "-c", filter)
		cmd.Stdin = strings.NewReader(routes.stdout)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", filter, err, errs.String())
		}
		return string(out)
	}
	// One policy, of a route with three matches; the other routes have none. It begins
	// at line 39 of shop, in column 7.
	got := run(guideFilter + `[] | [.route, .policy.allowMethods, .policy.maxAge, .policy.allowCredentials, (.position | sub(".*/"; ""))]`)
	want := strings.Repeat(`["api","GET,PUT","3600",true,"shop.yaml:39:7"]`+"\n", 3)
	if got != want {
		t.Errorf("the filter prints\n%swant\n%s", got, want)
	}
	// The true entry stays as Istio's is, and the alias is no part of it.
	if n := run(`[.[] | select(.name == "https.443.https.shop.web") | .virtualHosts[] | has("cors")] | any`); n != "false\n" {
		t.Errorf("the true entry carries cors: %s", n)
	}
}
