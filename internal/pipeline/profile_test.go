package pipeline

import (
	"strings"
	"testing"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/crossgate/crossgate/internal/cors"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/xds"
)

const namedRoute = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api}
spec:
  hosts: [api.example]
  gateways: [web]
  http:
  - name: orders
    match: [{uri: {prefix: /orders}}]
    corsPolicy: {allowOrigins: [{exact: "https://app.example"}]}
    route: [{destination: {host: backend, port: {number: 80}}}]
`

// patched changes the route by its name, and puts another one before it.
const patched = `
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: patch, namespace: istio-system}
spec:
  configPatches:
  - applyTo: HTTP_ROUTE
    match: {context: GATEWAY, routeConfiguration: {vhost: {route: {name: orders}}}}
    patch: {operation: MERGE, value: {route: {timeout: 7s}}}
  - applyTo: HTTP_ROUTE
    match: {context: GATEWAY, routeConfiguration: {vhost: {route: {name: orders}}}}
    patch: {operation: INSERT_FIRST, value: {name: first, match: {prefix: /first}, direct_response: {status: 200}}}
`

func hardenedOptions() Options {
	o := testOptions()
	o.Profile.Hardened = true
	return o
}

func routesOf(t *testing.T, s *xds.Snapshot) map[string]*routev3.Route {
	t.Helper()
	out := map[string]*routev3.Route{}
	for _, rc := range s.Routes {
		for _, vh := range rc.GetVirtualHosts() {
			for i, r := range vh.GetRoutes() {
				out[r.GetName()] = r
				if _, ok := s.Origins[xds.RouteKey(rc.GetName(), vh.GetName(), i)]; !ok && r.GetName() != "not-found" && !strings.HasPrefix(r.GetName(), "not-found#") {
					t.Errorf("%s has no place", r.GetName())
				}
				pos, ok := s.Origins[xds.CorsKey(rc.GetName(), vh.GetName(), i)]
				if ok != (r.GetName() == "orders") || ok && pos.Line != 11 {
					t.Errorf("%s: the policy is at %v", r.GetName(), pos)
				}
			}
		}
	}
	return out
}

// TestPatchesFindTheirRoutes: EnvoyFilters are applied before the profile, so that a
// patch finds the route by the user's name, and what is made of the route has it.
func TestPatchesFindTheirRoutes(t *testing.T) {
	res := NewBuilder(hardenedOptions()).Build(input("api.yaml", namedRoute, "patch.yaml", patched))
	if res.Diags.HasErrors() {
		t.Fatal(res.Diags)
	}
	routes := routesOf(t, res.Snapshot)
	for _, name := range []string{"first", "orders#deny-origin", "orders", "not-found"} {
		if routes[name] == nil {
			t.Errorf("there is no route %s", name)
		}
	}
	if d := routes["orders"].GetRoute().GetTimeout().AsDuration(); d.Seconds() != 7 {
		t.Errorf("the timeout is %v: the patch did not find the route", d)
	}
}

// TestPlacesAfterPatches: the place of a policy goes with its route, also where a
// patch puts another route before it.
func TestPlacesAfterPatches(t *testing.T) {
	routesOf(t, NewBuilder(testOptions()).Build(input("api.yaml", namedRoute, "patch.yaml", patched)).Snapshot)
}

// TestForwardIsWritten: a preflight is passed on where somebody wrote so, and only
// there, although Envoy's message is the same without it.
func TestForwardIsWritten(t *testing.T) {
	for _, tt := range []struct {
		policy  string
		refuses bool
	}{{"", true}, {", unmatchedPreflights: FORWARD", false}, {", unmatchedPreflights: IGNORE", true}, {", unmatchedPreflights: UNSPECIFIED", true}} {
		doc := strings.Replace(namedRoute, `"https://app.example"}]`, `"https://app.example"}]`+tt.policy, 1)
		res := NewBuilder(hardenedOptions()).Build(input("api.yaml", doc, "patch.yaml", patched))
		if res.Diags.HasErrors() {
			t.Fatal(res.Diags)
		}
		if got := routesOf(t, res.Snapshot)["orders#deny-origin"] != nil; got != tt.refuses {
			t.Errorf("with %q: refuses %v, want %v", tt.policy, got, tt.refuses)
		}
	}
}

// TestTrialsAreNotServed: a VirtualService on trial is not served with any profile.
func TestTrialsAreNotServed(t *testing.T) {
	draft := strings.NewReplacer("{name: api}", `{name: draft, annotations: {crossgate.dev/trial: "true"}}`, "https://app", "https://new").Replace(namedRoute)
	for hardened, want := range map[bool]bool{true: true, false: false} {
		o := testOptions()
		o.Profile.Hardened = hardened
		res := NewBuilder(o).Build(input("api.yaml", namedRoute, "draft.yaml", draft))
		if res.Diags.HasErrors() {
			t.Fatal(res.Diags)
		}
		if text, err := res.Snapshot.Render(); err != nil || strings.Contains(string(text), "new.example") != want {
			t.Errorf("hardened=%v: the draft's origin is in the snapshot: %v (%v)", hardened, !want, err)
		}
		if got := routesOf(t, res.Snapshot)["orders#would-deny-origin"] != nil; got != want {
			t.Errorf("hardened=%v: tried %v, want %v", hardened, got, want)
		}
	}
}

// TestEnforcementIsFound: the mesh's settings, then those of the program, then those
// of the VirtualService.
func TestEnforcementIsFound(t *testing.T) {
	const mesh = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: crossgate, namespace: istio-system}\ndata: {enforce: headers}\n"
	block := strings.Replace(namedRoute, "{name: api}", "{name: api, annotations: {crossgate.dev/enforce: block}}", 1)
	level := func(l cors.Level) resource.Enforcement { return resource.Enforcement{Level: &l} }
	for _, tt := range []struct {
		name    string
		program resource.Enforcement
		files   []string
		want    []string
	}{
		{"default", resource.Enforcement{}, []string{"a.yaml", namedRoute}, []string{"orders#deny-origin"}},
		{"mesh", resource.Enforcement{}, []string{"a.yaml", namedRoute, "m.yaml", mesh}, nil},
		{"program", level(cors.Block), []string{"a.yaml", namedRoute, "m.yaml", mesh}, []string{"orders#deny-origin", "orders#deny-block"}},
		{"object", level(cors.Headers), []string{"a.yaml", block, "m.yaml", mesh}, []string{"orders#deny-origin", "orders#deny-block"}},
	} {
		o := hardenedOptions()
		o.Profile.Enforcement = tt.program
		routes := routesOf(t, NewBuilder(o).Build(input(tt.files...)).Snapshot)
		for _, name := range []string{"orders#deny-origin", "orders#deny-block"} {
			if got, want := routes[name] != nil, strings.Contains(strings.Join(tt.want, " "), name); got != want {
				t.Errorf("%s: %s %v, want %v", tt.name, name, got, want)
			}
		}
	}
}

// TestWrongSettingsKeepTheLastGood: a level that is none does not open what was
// enforced before.
func TestWrongSettingsKeepTheLastGood(t *testing.T) {
	b := NewBuilder(hardenedOptions())
	block := strings.Replace(namedRoute, "{name: api}", "{name: api, annotations: {crossgate.dev/enforce: block}}", 1)
	b.Build(input("a.yaml", block))
	res := b.Build(input("a.yaml", strings.Replace(block, "enforce: block", "enforce: blokc", 1)))
	if !res.Diags.HasErrors() || len(res.Kept) != 1 || routesOf(t, res.Snapshot)["orders#deny-block"] == nil {
		t.Errorf("kept %v, findings %v", res.Kept, res.Diags)
	}
}
