package analyze

import (
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/devkit"
	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// repairs returns the findings of a document that somebody should repair, each as
// "code path". What is not built yet is no fault of the document.
func repairs(l diag.List) []string {
	out := []string{}
	for _, d := range l {
		if d.Severity == diag.Info || d.Code == "CG0010" || d.Code == "CG0012" {
			continue
		}
		out = append(out, strings.TrimSpace(d.Code+" "+d.Path))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// advised are the findings about the policies of the guide's documents: the prefix
// and the expression for every origin, the * for response headers in development, and
// the exposed set-cookie. The documents for production and the secure one have none.
var advised = map[string][]string{
	"03": {"CG0603 spec.http[0].corsPolicy.allowOrigins[0].prefix"},
	"08": {"CG0615 spec.http[0].corsPolicy.exposeHeaders[1]"},
	"09": {"CG0611 spec.http[0].corsPolicy.exposeHeaders[0]"},
	"11": {"CG0603 spec.http[0].corsPolicy.allowOrigins[0].regex"},
}

// TestGuideComplete: each document of the guide with its Gateway, Services and
// Secret is clean but for its policy; an EnvoyFilter always has a warning, as in
// istioctl.
func TestGuideComplete(t *testing.T) {
	for n, file := range guideDocuments(t) {
		t.Run(n, func(t *testing.T) {
			beside := filepath.Join(t.TempDir(), "beside.yaml")
			if err := os.WriteFile(beside, []byte(companions(t, analyze(file).Set)), 0o600); err != nil {
				t.Fatal(err)
			}
			want := append([]string{}, advised[n]...)
			if n == "16" {
				want = []string{"IST0133"}
			}
			got := analyze(file, beside).Diags
			if diff := cmp.Diff(want, repairs(got)); diff != "" {
				t.Errorf("(-want +got)\n%s%v", diff, got)
			}
		})
	}
}

// companions returns what the objects of a set refer to and the set does not have.
func companions(t *testing.T, set *resource.Set) string {
	docs := make(map[string]bool)
	service := func(host, namespace string) {
		if host != "" {
			docs[fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: %s}\nspec: {ports: [{name: http, port: 8080}]}\n", host, namespace)] = true
		}
	}
	for _, r := range set.Kind(resource.KindVirtualService) {
		vs := r.Spec.(*networking.VirtualService)
		for _, g := range vs.Gateways {
			if set.Get(resource.Key{Kind: resource.KindGateway, Namespace: r.Namespace, Name: g}) == nil {
				docs[fmt.Sprintf("apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: %s, namespace: %s}\nspec:\n  selector: {istio: ingressgateway}\n"+
					"  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [%s]}]\n", g, r.Namespace, strings.Join(vs.Hosts, ", "))] = true
			}
		}
		for _, h := range vs.Http {
			for _, d := range h.Route {
				service(d.Destination.Host, r.Namespace)
			}
		}
	}
	if len(set.Kind(resource.KindEnvoyFilter)) > 0 {
		docs[anyGateway] = true
	}
	for _, r := range set.Kind(resource.KindGateway) {
		for _, s := range r.Spec.(*networking.Gateway).Servers {
			if name := s.GetTls().GetCredentialName(); name != "" {
				docs[secret(t, name, s.Hosts)] = true
			}
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(docs)), "---\n")
}

// anyGateway is something for an EnvoyFilter to patch.
const anyGateway = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: any, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [any.example]}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: any, namespace: istio-system}
spec:
  hosts: [any.example]
  gateways: [any]
  http: [{directResponse: {status: 200}}]
`

func secret(t *testing.T, name string, hosts []string) string {
	t.Helper()
	ca, err := devkit.OpenCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	leaf, _, err := ca.Leaf(hosts)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: istio-system}\ntype: kubernetes.io/tls\ndata: {tls.crt: %s, tls.key: %s}\n",
		name, b64(leaf.CertPEM), b64(leaf.KeyPEM))
}

// TestGuideWitnesses: the guide's patterns for every origin are found with an origin
// that nobody meant, and its checklist's wildcards in development are told.
func TestGuideWitnesses(t *testing.T) {
	docs := guideDocuments(t)
	for _, tt := range []struct{ doc, code, witness string }{
		{"03", "CG0603", "https://evil.test"},
		{"11", "CG0603", "https://evil.test"},
		{"09", "CG0611", ""},
		{"09", "CG0613", ""},
		{"08", "CG0615", ""},
		{"04", "CG0627", ""},
	} {
		found := analyze(docs[tt.doc]).Diags
		if !slices.ContainsFunc(found, func(d diag.Diagnostic) bool {
			return d.Code == tt.code && (tt.witness == "" || slices.Contains(d.Witnesses, tt.witness))
		}) {
			t.Errorf("%s: no %s with %q", tt.doc, tt.code, tt.witness)
		}
	}
	for _, doc := range []string{"10", "12"} {
		for _, d := range analyze(docs[doc]).Diags {
			if strings.HasPrefix(d.Code, "CG06") && d.Severity != diag.Info {
				t.Errorf("%s: %s", doc, d)
			}
		}
	}
}

// TestGuideAlone: a document alone lacks exactly what it refers to and does not
// show.
func TestGuideAlone(t *testing.T) {
	host := func(i int) string { return fmt.Sprintf("IST0101 spec.http[%d].route[0].destination.host", i) }
	lone := []string{"IST0101 spec.gateways[0]", host(0)}
	want := map[string][]string{
		"05": append(slices.Clone(lone), host(1)),
		"11": append(slices.Clone(lone), host(1), host(2), host(3)),
		"14": {
			"CG0207 spec.hosts[0]", "IST0101 spec.http[0].route[0].destination.host", "IST0101 spec.http[1].route[0].destination.host",
			"IST0101 spec.servers[0].tls.credentialName", "IST0174 spec.host",
		},
		"16": {"CG0220 spec.configPatches[0].applyTo", "IST0133"}, // There is no listener to patch.
		"17": {},
	}
	want["05"] = []string{"IST0101 spec.gateways[0]", host(0), host(1)}
	for n, file := range guideDocuments(t) {
		w, ok := want[n]
		if !ok {
			w = lone
		}
		w = append(slices.Clone(w), advised[n]...)
		slices.Sort(w)
		got := analyze(file).Diags
		if diff := cmp.Diff(w, repairs(got)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s%v", n, diff, got)
		}
	}
}

// TestGuideTogether: all documents in one directory have their real conflicts: two
// objects of one name, and routes for everything on one host.
func TestGuideTogether(t *testing.T) {
	docs := guideDocuments(t)
	files := slices.Sorted(maps.Values(docs))
	beside := filepath.Join(t.TempDir(), "beside.yaml")
	if err := os.WriteFile(beside, []byte(companions(t, analyze(files...).Set)), 0o600); err != nil {
		t.Fatal(err)
	}
	// By the names of the VirtualServices, 08 is the first with a route for everything.
	want := []string{
		"02 CG0013 production/api-cors-credentials", "03 CG0603", "04 CG0013 production/api-cors-credentials", "06 CG0013 production/api-cors-credentials",
		"07 CG0013 production/api-cors-credentials", "08 CG0615", "09 CG0611", "11 CG0603", "11 CG0621", "12 CG0013 production/api-cors-credentials", "13 CG0013 production/api-cors-credentials",
		"14 CG0004 first", "15 CG0013 production/api-cors-credentials", "16 IST0133",
	}
	names := make(map[string]string)
	for n, f := range docs {
		names[f] = n
	}
	var got []string
	for _, d := range analyze(append(files, beside)...).Diags {
		if d.Severity == diag.Info || d.Code == "CG0010" || d.Code == "CG0012" {
			continue
		}
		line := names[d.Pos.File] + " " + d.Code
		for _, of := range []string{"production/api-cors-credentials", "first"} {
			if strings.Contains(d.Message, of) {
				line += " " + of
			}
		}
		got = append(got, line)
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
