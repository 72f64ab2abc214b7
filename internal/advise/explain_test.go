package advise

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crossgate/crossgate/internal/pipeline"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/source"
	"github.com/crossgate/crossgate/internal/translate"
	"github.com/crossgate/crossgate/internal/xds"
)

// shop is a VirtualService with a policy, and a Gateway for it.
const shop = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: production}
spec:
  hosts: [api.example.com]
  gateways: [web]
  http:
  - match:
    - uri: {prefix: /beta}
      headers: {x-beta: {exact: "1"}}
    route: [{destination: {host: beta}}]
  - match: [{uri: {prefix: /cart}}]
    corsPolicy:
      allowOrigins:
      - exact: https://app.example.com
      - prefix: https://dev-
      allowMethods: [GET, PUT, PATCH]
      allowHeaders: [content-type]
    route: [{destination: {host: cart}}]
  - match: [{uri: {prefix: /open}}]
    route: [{destination: {host: cart}}]
`

func inputOf(t *testing.T, text string) Input {
	t.Helper()
	file := filepath.Join(t.TempDir(), "shop.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o := pipeline.Options{Translate: translate.Options{Node: translate.DefaultNode(), SynthesizeGateways: true}}
	res := pipeline.NewBuilder(o).Build(source.Load([]string{file}, strings.NewReader(""), resource.ParseOptions{DefaultNamespace: "default"}))
	if res.Diags.HasErrors() {
		t.Fatal(res.Diags)
	}
	return Input{Snapshot: res.Snapshot, Set: res.Set, Rebuild: func(s *resource.Set) *xds.Snapshot {
		snapshot, _ := translate.Snapshot(s, o.Translate)
		return snapshot
	}}
}

func TestExplain(t *testing.T) {
	in := inputOf(t, shop)
	for _, tt := range []struct {
		call, origin string
		allowed      bool
		because      string // LINE:COLUMN text
		edits        string
		safe         bool
	}{
		{`fetch("http://api.example.com/cart")`, "https://app.example.com", true, "15:9 the policy allows the call", "", false},
		{`fetch("http://api.example.com/cart")`, "https://other.example.com", false, "15:7 allowOrigins does not match https://other.example.com", "allowOrigins+exact: https://other.example.com", true},
		{`fetch("http://api.example.com/cart", {method: "DELETE"})`, "https://app.example.com", false, "17:21 allowMethods does not have DELETE", "allowMethods+DELETE", true},
		{`fetch("http://api.example.com/cart", {method: "patch"})`, "https://app.example.com", false, `17:21 allowMethods does not have patch: PATCH is another method`, "", false},
		{
			`fetch("http://api.example.com/cart", {method: "PUT", headers: {"x-a": "1", "x-b": "2", "content-type": "application/json"}})`, "https://app.example.com", false,
			"18:21 allowHeaders does not have x-a, x-b", "allowHeaders+x-a, x-b", true,
		},
		{`fetch("http://api.example.com/cart", {credentials: "include"})`, "https://app.example.com", false, "14:7 allowCredentials is not true", "allowCredentials+true", false},
		{`fetch("http://api.example.com/open")`, "https://app.example.com", false, "20:5 the route has no corsPolicy", "allowOrigins+exact: https://app.example.com", true},
		{`fetch("http://api.example.com/none")`, "https://app.example.com", false, " no route of api.example.com:80 matches", "", false},
		{`fetch("http://api.example.com/beta")`, "https://app.example.com", false, " no route of api.example.com:80 matches; the nearest", "", false},
		{`fetch("http://other.example.com/")`, "https://app.example.com", false, " no host of the configuration is http://other.example.com", "", false},
		{`fetch("https://api.example.com/")`, "https://app.example.com", false, " the gateway does not listen for https://api.example.com", "", false},
		{`fetch("http://api.example.com/cart")`, "null", false, `15:7 allowOrigins does not match null`, "allowOrigins+exact: null", false},
		{`fetch("http://api.example.com/cart")`, "http://api.example.com", true, "", "", false},
	} {
		ask, err := ReadFetch(tt.call)
		if err != nil {
			t.Fatal(err)
		}
		ask.Call.Page = tt.origin
		if err := ask.Complete(); err != nil {
			t.Fatal(err)
		}
		e, err := Explain(in, ask)
		if err != nil {
			t.Errorf("%s: %v", tt.call, err)
			continue
		}
		_, at, _ := strings.Cut(e.Because.Position, ".yaml:")
		if got := at + " " + e.Because.Text; e.Allowed() != tt.allowed || !strings.Contains(got, tt.because) {
			t.Errorf("%s from %s: %v, because %s, want %v, %s", tt.call, tt.origin, e.Allowed(), got, tt.allowed, tt.because)
		}
		var edits []string
		safe := false
		if e.Change != nil {
			safe = e.Change.Safe
			for _, edit := range e.Change.Edits {
				_, field, _ := strings.Cut(edit.Field, "corsPolicy.")
				edits = append(edits, field+"+"+edit.Add)
			}
		}
		if got := strings.Join(edits, "; "); got != tt.edits || safe != tt.safe {
			t.Errorf("%s from %s: change %q, safe %v, want %q, %v\n%+v", tt.call, tt.origin, got, safe, tt.edits, tt.safe, e.Change)
		}
	}
}
