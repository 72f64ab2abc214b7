package pipeline

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/crossgate/crossgate/internal/check"
	"github.com/crossgate/crossgate/internal/devkit"
	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/source"
	"github.com/crossgate/crossgate/internal/translate"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// input makes an update of files, given as name, content, name, content.
func input(files ...string) *source.Update {
	u := &source.Update{}
	for i := 0; i < len(files); i += 2 {
		u.Files = append(u.Files, resource.ParseFile(files[i], []byte(files[i+1]), resource.ParseOptions{}))
	}
	return u
}

func testOptions() Options {
	return Options{Translate: translate.Options{Node: translate.DefaultNode(), SynthesizeGateways: true}}
}

// virtualService has one route; the header tells versions apart.
func virtualService(name, host, version string) string {
	return `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ` + name + `}
spec:
  hosts: [` + host + `]
  gateways: [web]
  http:
  - headers: {response: {set: {x-version: "` + version + `"}}}
    route: [{destination: {host: backend, port: {number: 80}}}]
---
`
}

const denyAll = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: deny-all, namespace: istio-system}
spec: {}
`

// gateway has one HTTPS server a host, all with one certificate.
func gateway(credential string, hosts ...string) string {
	s := `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web}
spec:
  selector: {istio: ingressgateway}
  servers:
`
	for i, h := range hosts {
		s += `  - port: {number: 443, name: https-` + string(rune('a'+i)) + `, protocol: HTTPS}
    tls: {mode: SIMPLE, credentialName: ` + credential + `}
    hosts: ["` + h + `"]
`
	}
	return s + "---\n"
}

func TestBuildKeepsWhatBreaks(t *testing.T) {
	b := NewBuilder(testOptions())
	good := b.Build(input("a.yaml", virtualService("x", "x.example", "1"), "b.yaml", virtualService("z", "z.example", "1")))
	if good.Diags.HasErrors() || len(good.Snapshot.Listeners) != 1 {
		t.Fatalf("%d listeners, diagnostics %v", len(good.Snapshot.Listeners), good.Diags)
	}
	broken := b.Build(input("a.yaml", "{", "b.yaml", virtualService("z", "z.example", "1")))
	if broken.Snapshot.Version != good.Snapshot.Version {
		t.Error("a file that does not parse changed the snapshot")
	}
	if !broken.Diags.HasErrors() || broken.Diags[0].Pos.File != "a.yaml" {
		t.Errorf("diagnostics %v", broken.Diags)
	}
	key := resource.Key{Kind: "VirtualService", Namespace: "default", Name: "x"}
	if diff := cmp.Diff([]resource.Key{key}, broken.Kept); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	mended := b.Build(input("a.yaml", virtualService("x", "x.example", "2"), "b.yaml", virtualService("z", "z.example", "1")))
	if mended.Snapshot.Version == good.Snapshot.Version || len(mended.Kept) > 0 {
		t.Error("the mended file did not come through")
	}
}

// TestBuildSorts: what is said comes from many places and is told by file and line.
func TestBuildSorts(t *testing.T) {
	res := NewBuilder(testOptions()).Build(input(
		"b.yaml", virtualService("x", "x.example", "1")+"{\n",
		"a.yaml", virtualService("z", "x.example", "1")+denyAll,
	))
	sorted := slices.Clone(res.Diags)
	sorted.Sort()
	if diff := cmp.Diff(sorted, res.Diags); diff != "" || len(res.Diags) < 3 {
		t.Errorf("%d diagnostics (-sorted +got):\n%s", len(res.Diags), diff)
	}
}

func TestBuildRefuses(t *testing.T) {
	u := input("a.yaml", virtualService("x", "x.example", "1")+denyAll)
	res := NewBuilder(testOptions()).Build(u)
	if len(res.Refused) != 1 || res.Refused[0].Code != check.CodeUnenforced {
		t.Errorf("refused: %v", res.Refused)
	}
	o := testOptions()
	o.AllowUnenforced = true
	res = NewBuilder(o).Build(u)
	if len(res.Refused) != 0 || res.Diags.Count(diag.Warning) == 0 {
		t.Errorf("allowed, and yet refused: %v; diagnostics %v", res.Refused, res.Diags)
	}
}

// TestBuildRefusesFiltersThatGuard: an EnvoyFilter that adds what may keep requests
// out is not served, unless it is for a stock Envoy, which runs it.
func TestBuildRefusesFiltersThatGuard(t *testing.T) {
	gateway := "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: gw}\n" +
		"spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [\"*\"]}]}\n---\n"
	filter := "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\nmetadata: {name: f, namespace: istio-system}\n" +
		"spec: {configPatches: [{applyTo: HTTP_FILTER, match: {context: GATEWAY}, patch: {operation: INSERT_FIRST, " +
		"value: {name: x, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC}}}}]}\n"
	for _, tt := range []struct {
		name            string
		allow, envoy    bool
		refused, filter bool
	}{
		{"plain", false, false, true, true},
		{"allowed", true, false, false, false},
		{"for Envoy", false, true, false, true},
	} {
		o := testOptions()
		o.AllowUnenforced, o.Translate.RunsAllFilters = tt.allow, tt.envoy
		res := NewBuilder(o).Build(input("a.yaml", gateway+filter))
		text, err := res.Snapshot.Render()
		if err != nil {
			t.Fatal(err)
		}
		if got := len(res.Refused) > 0; got != tt.refused {
			t.Errorf("%s: refused %v, want %v", tt.name, res.Refused, tt.refused)
		}
		if got := strings.Contains(string(text), "http.rbac.v3.RBAC"); got != tt.filter {
			t.Errorf("%s: the filter is in the snapshot: %v, want %v", tt.name, got, tt.filter)
		}
	}
}

// TestBuildRefusesWhatItCannotReadOfProtection: a protecting object that does not
// parse protects nothing, so serving without it would fail open.
func TestBuildRefusesWhatItCannotReadOfProtection(t *testing.T) {
	good := virtualService("x", "x.example", "1")
	for name, broken := range map[string]string{
		"syntax":   strings.Replace(denyAll, "spec: {}", "spec: {", 1),
		"no name":  strings.Replace(denyAll, "name: deny-all, ", "", 1),
		"no input": "",
	} {
		res := NewBuilder(testOptions()).Build(input("a.yaml", good, "b.yaml", broken))
		if got, want := len(res.Refused) > 0, name != "no input"; got != want {
			t.Errorf("%s: refused %v, want %v", name, res.Refused, want)
		}
	}
	if res := NewBuilder(testOptions()).Build(input("a.yaml", "kind: {")); len(res.Refused) > 0 {
		t.Errorf("a broken file that names nothing of the kind: %v", res.Refused)
	}
}

// fakeCertificates records what it is asked for.
type fakeCertificates struct {
	asked [][]string
	err   error
}

func (f *fakeCertificates) Leaf(hosts []string) (*devkit.Leaf, []string, error) {
	f.asked = append(f.asked, hosts)
	var skipped []string
	if slices.Contains(hosts, "*") {
		skipped = []string{"*", "*"}
	}
	return &devkit.Leaf{CertPEM: []byte("cert"), KeyPEM: []byte("key"), Hosts: []string{"localhost"}}, skipped, f.err
}

func TestDevCertificates(t *testing.T) {
	const secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: tls, namespace: %}\ntype: kubernetes.io/tls\nstringData: {tls.crt: a, tls.key: b}\n---\n"
	tests := []struct {
		name  string
		input string
		asked [][]string
		diag  string
	}{
		{"one for all servers of a credential", gateway("tls", "a.example", "ns/*.b.example"), [][]string{{"a.example", "*.b.example"}}, ""},
		{"any host", gateway("tls", "*"), [][]string{{"*"}}, `no development certificate can name "*": it is good for localhost`},
		{"a Secret of the workload's namespace", gateway("tls", "a.example") + strings.ReplaceAll(secret, "%", "istio-system"), nil, ""},
		{"a Secret of the Gateway's namespace", gateway("tls", "a.example") + strings.ReplaceAll(secret, "%", "default"), nil, ""},
		{"a Secret of another namespace", gateway("tls", "a.example") + strings.ReplaceAll(secret, "%", "other"), [][]string{{"a.example"}}, ""},
		{"a Secret that is wrong", gateway("tls", "a.example") + strings.ReplaceAll(secret, "%", "istio-system") + "data: [1]\n", nil, ""},
		{"a Secret of the cluster by URL", gateway("kubernetes-gateway://x/tls", "a.example"), nil, ""},
		{"another workload's Gateway", strings.ReplaceAll(gateway("tls", "a.example"), "ingressgateway", "egressgateway"), nil, ""},
		{"MUTUAL", strings.ReplaceAll(gateway("tls", "a.example"), "SIMPLE", "MUTUAL"), nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fake := &fakeCertificates{}
			o := testOptions()
			o.DevCertificates = fake
			res := NewBuilder(o).Build(input("a.yaml", strings.Replace(tt.input, "---\ndata: [1]", "data: [1]", 1)))
			if diff := cmp.Diff(tt.asked, fake.asked); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
			if tt.diag != "" && !slices.ContainsFunc(res.Diags, func(d diag.Diagnostic) bool {
				return d.Message == tt.diag && d.Code == codeDevCertificate && d.Pos.Line > 0
			}) {
				t.Errorf("no %q in %v", tt.diag, res.Diags)
			}
		})
	}
}

func TestDevCertificateFails(t *testing.T) {
	o := testOptions()
	o.DevCertificates = &fakeCertificates{err: errors.New("disk full")}
	res := NewBuilder(o).Build(input("a.yaml", gateway("tls", "a.example")))
	if !slices.ContainsFunc(res.Diags, func(d diag.Diagnostic) bool {
		return d.Severity == diag.Error && d.Message == "disk full" && d.Pos.File == "a.yaml"
	}) {
		t.Errorf("diagnostics %v", res.Diags)
	}
}

// TestDevCertificatesOfACA goes through to the snapshot with a real CA.
func TestDevCertificatesOfACA(t *testing.T) {
	ca, err := devkit.OpenCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	o := testOptions()
	o.DevCertificates = ca
	b := NewBuilder(o)
	u := input("a.yaml", gateway("tls", "a.example"))
	res := b.Build(u)
	if len(res.Snapshot.Listeners) != 1 || len(res.Snapshot.Secrets) != 1 {
		t.Fatalf("%d listeners and %d secrets: %v", len(res.Snapshot.Listeners), len(res.Snapshot.Secrets), res.Diags)
	}
	if again := b.Build(u); again.Snapshot.Version != res.Snapshot.Version {
		t.Error("building again made another certificate")
	}
}
