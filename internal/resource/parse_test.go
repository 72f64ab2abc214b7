package resource

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	networking "istio.io/api/networking/v1alpha3"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/crossgate/crossgate/internal/diag"
)

// parseOne parses a text that has one good object.
func parseOne(t *testing.T, text string) *Resource {
	t.Helper()
	rs, diags := Parse("in.yaml", []byte(text), ParseOptions{})
	if len(diags) > 0 || len(rs) != 1 {
		t.Fatalf("%d objects, %v", len(rs), diags)
	}
	return rs[0]
}

const virtualServiceHead = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a}
`

// TestMaxAge holds the durations of Istio and our zero.
func TestMaxAge(t *testing.T) {
	for written, want := range map[string]time.Duration{
		"24h": 24 * time.Hour, `"24h"`: 24 * time.Hour, "86400s": 24 * time.Hour, "1m": time.Minute, "1h30m": 90 * time.Minute,
		"0": 0, `"0"`: 0, "0s": 0, "2000ms": 2 * time.Second,
	} {
		r := parseOne(t, virtualServiceHead+`spec:
  hosts: [a.example]
  http: [{route: [{destination: {host: b}}], corsPolicy: {maxAge: `+written+`}}]
`)
		maxAge := r.Spec.(*networking.VirtualService).Http[0].CorsPolicy.MaxAge
		if maxAge == nil || maxAge.AsDuration() != want {
			t.Errorf("%s: %v, want %v", written, maxAge, want)
		}
	}
}

func TestKubectlOutput(t *testing.T) {
	data, err := os.ReadFile("testdata/objects/kubectl.yaml")
	if err != nil {
		t.Fatal(err)
	}
	f := ParseFile("kubectl.yaml", data, ParseOptions{})
	if len(f.Diags) > 0 || f.Broken {
		t.Fatal(f.Diags)
	}
	var got []string
	for _, r := range f.Resources {
		got = append(got, fmt.Sprintf("%s %s %T %s %s", r.Key, r.APIVersion, r.Spec, r.Pos, r.Created.Format(time.RFC3339)))
	}
	want := []string{
		"VirtualService production/api networking.istio.io/v1 *v1alpha3.VirtualService kubectl.yaml:4:3 2026-11-01T10:20:30Z",
		"Secret istio-system/api-tls v1 *v1.Secret kubectl.yaml:46:3 2026-11-02T00:00:00Z",
		"Namespace production v1 <nil> kubectl.yaml:55:3 0001-01-01T00:00:00Z",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if f.Resources[0].Annotations["team"] != "web" || f.Resources[0].Labels["app"] != "api" {
		t.Errorf("labels %v, annotations %v", f.Resources[0].Labels, f.Resources[0].Annotations)
	}
}

// TestJSON reads what "kubectl get -o json" and json.MarshalIndent print.
func TestJSON(t *testing.T) {
	r := parseOne(t, `{
	"apiVersion": "networking.istio.io/v1beta1",
	"kind": "VirtualService",
	"metadata": {"name": "a", "namespace": "n"},
	"spec": {
		"hosts": ["a.example"],
		"http": [{"match": [{"uri": {"exact": "\/a\u0062\ud83d\ude00"}}], "route": [{"destination": {"host": "b"}}]}]
	}
}
`)
	if got := r.Spec.(*networking.VirtualService).Http[0].Match[0].Uri.GetExact(); got != "/ab😀" {
		t.Errorf("%q", got)
	}
	if got := r.At("spec.http[0].route").String(); got != "in.yaml:7:78" {
		t.Error(got)
	}
}

// TestPositions holds what At promises: the value's place, else that of the
// nearest parent that is written.
func TestPositions(t *testing.T) {
	r := parseOne(t, `# é comment
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: a
spec:
  hosts: [a.example, b.example]
  http:
  - match: &m [{uri: {prefix: /é}, name: x}]
    route:
    - destination: {host: b}
    headers: {response: {set: {x-dotted.name: a}}}
    corsPolicy:
      allowMethods:
  - match: *m
    redirect: {uri: /}
`)
	for path, want := range map[string]string{
		"":                                     "in.yaml:2:1",
		"metadata.name":                        "in.yaml:5:9",
		"metadata.labels.app":                  "in.yaml:5:3",
		"spec.hosts[1]":                        "in.yaml:7:22",
		"spec.http[0].match[0].uri.prefix":     "in.yaml:9:31",
		"spec.http[0].match[0].name":           "in.yaml:9:43", // after é, two bytes
		"spec.http[0].route[0].weight":         "in.yaml:11:7",
		"spec.http[0].corsPolicy.allowMethods": "in.yaml:14:7", // an empty value: its key
		"spec.http[0].headers.response.set.x-dotted.name": "in.yaml:12:47",
		"spec.http[1].match":                              "in.yaml:15:12",
		"spec.http[1].match[0].uri":                       "in.yaml:9:22",
		"spec.http[7].route":                              "in.yaml:9:3",
		"nonsense[0].x":                                   "in.yaml:2:1",
	} {
		if got := r.At(path).String(); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// TestValuesMeanWhatKubectlReads: scalars are those of YAML 1.1.
func TestValuesMeanWhatKubectlReads(t *testing.T) {
	r := parseOne(t, `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a, labels: {on: "yes", 1: "01", a: 2001-01-01, b: 'null', c: !!str 7, d: nothing, e: ...}}
spec:
  hosts: [a.example]
  http:
  - &route
    route: [{destination: {host: b, port: {number: 0x50}}, weight: 1_0}]
    corsPolicy: {allowCredentials: on, allowOrigins: [{exact: yes.example}]}
  - <<: *route
    name: merged
    corsPolicy: {allowCredentials: n}
`)
	want := map[string]string{"true": "yes", "1": "01", "a": "2001-01-01", "b": "null", "c": "7", "d": "nothing", "e": "..."}
	if diff := cmp.Diff(want, r.Labels); diff != "" {
		t.Error(diff)
	}
	http := r.Spec.(*networking.VirtualService).Http
	if got := http[0].Route[0]; got.Destination.Port.Number != 80 || got.Weight != 10 {
		t.Errorf("route %v", got)
	}
	if !http[0].CorsPolicy.AllowCredentials.Value || http[0].CorsPolicy.AllowOrigins[0].GetExact() != "yes.example" {
		t.Errorf("policy %v", http[0].CorsPolicy)
	}
	if http[1].Name != "merged" || http[1].Route[0].Destination.Host != "b" || http[1].CorsPolicy.AllowCredentials.GetValue() || len(http[1].CorsPolicy.AllowOrigins) != 0 {
		t.Errorf("merged route %v", http[1])
	}
}

func TestKubernetesObjects(t *testing.T) {
	secret := parseOne(t, "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: YQ==, b: Yg==}\nstringData: {b: c}\n").Spec.(*corev1.Secret)
	if string(secret.Data["a"]) != "a" || string(secret.Data["b"]) != "c" || secret.Namespace != "default" || secret.Name != "s" {
		t.Errorf("secret %v", secret)
	}
	slice := parseOne(t, "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: s}\naddressType: IPv4\nendpoints: [{addresses: [192.0.2.1]}]\nports: [{port: 8080}]\n").Spec.(*discoveryv1.EndpointSlice)
	if slice.Endpoints[0].Addresses[0] != "192.0.2.1" || *slice.Ports[0].Port != 8080 {
		t.Errorf("slice %v", slice)
	}
}

// TestHash: equal contents have equal hashes, whatever they look like.
func TestHash(t *testing.T) {
	a := parseOne(t, "apiVersion: v1\nkind: Service\nmetadata: {name: a, labels: {x: z}}\nspec: {ports: [{port: 80}]}\n")
	same := parseOne(t, "# moved\nkind: Service\napiVersion: v1\nspec:\n  ports:\n  - port: 80\nmetadata:\n  resourceVersion: '7'\n  managedFields: []\n  labels: {\"x\": 'z'}\n  name: a\nstatus: {loadBalancer: {}}\n")
	other := parseOne(t, "apiVersion: v1\nkind: Service\nmetadata: {name: a, labels: {x: z}}\nspec: {ports: [{port: 81}]}\n")
	if a.Hash != same.Hash {
		t.Error("formatting changes the hash")
	}
	if a.Hash == other.Hash {
		t.Error("content does not change the hash")
	}
}

func TestDefaultNamespace(t *testing.T) {
	rs, _ := Parse("a", []byte("apiVersion: v1\nkind: Service\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: b, namespace: x}\n"), ParseOptions{DefaultNamespace: "shop"})
	if len(rs) != 2 || rs[0].Key.String() != "Service shop/a" || rs[1].Key.String() != "Namespace b" {
		t.Errorf("%v", rs)
	}
}

// TestDocumentMarkers: documents end where YAML says, with any line ends.
func TestDocumentMarkers(t *testing.T) {
	service := func(name string) string { return "apiVersion: v1\nkind: Service\nmetadata: {name: " + name + "}\n" }
	text := "\ufeff# comment only\n---\n" + service("a") + "...\n---\n# nothing\n---\n%YAML 1.1\n---\n" + service("b") + "--- # c\n" + service("c") + "---\n---\n" +
		"--- {apiVersion: v1, kind: Service, metadata: {name: d}}\n---\nmetadata:\n  name: e\n  annotations:\n    text: |\n      --- not a marker\nkind: Service\napiVersion: v1\n"
	for _, ends := range []string{"\n", "\r\n"} {
		rs, diags := Parse("a", []byte(strings.ReplaceAll(text, "\n", ends)), ParseOptions{})
		var got []string
		for _, r := range rs {
			got = append(got, fmt.Sprint(r.Name, r.Pos.Line))
		}
		if want := "a3 b12 c16 d21 e23"; strings.Join(got, " ") != want || len(diags) > 0 {
			t.Errorf("%q: %v, want %s; %v", ends, got, want, diags)
		}
	}
	if rs, diags := Parse("a", nil, ParseOptions{}); len(rs)+len(diags) > 0 {
		t.Errorf("an empty file gives %v, %v", rs, diags)
	}
}

func TestSet(t *testing.T) {
	text := ""
	for _, o := range []string{"b, namespace: x", "a, namespace: w", "a, namespace: x", "b, namespace: x", "z, creationTimestamp: '2020-01-01T00:00:00Z'", "v, creationTimestamp: '2019-01-01T00:00:00Z'"} {
		text += "---\napiVersion: v1\nkind: Service\nmetadata: {name: " + o + "}\n"
	}
	rs, diags := Parse("in.yaml", []byte(text), ParseOptions{})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	set, diags := NewSet(rs)
	if len(diags) != 1 || diags[0].Pos.Line != 14 || diags[0].Code != CodeDuplicateObject || diags[0].Related[0].Pos.Line != 2 {
		t.Errorf("duplicates: %v", diags)
	}
	names := func(rs []*Resource) string {
		var out []string
		for _, r := range rs {
			out = append(out, r.Namespace+"/"+r.Name)
		}
		return strings.Join(out, " ")
	}
	// istiod: creation time, name, namespace; files have no time, as if they were made now.
	const want = "default/v default/z w/a x/a x/b"
	if got := names(set.Kind("Service")); got != want {
		t.Errorf("order %s, want %s", got, want)
	}
	if set.Len() != 5 || set.Get(Key{"Service", "x", "b"}) != rs[0] || set.Get(Key{"Service", "x", "c"}) != nil || len(set.Kind("Secret")) != 0 {
		t.Error("wrong content")
	}
	extra := &Resource{Key: Key{"Secret", "x", "s"}}
	replaced := &Resource{Key: Key{"Service", "x", "b"}}
	with := set.With(extra, replaced)
	if with.Len() != 6 || with.Get(replaced.Key) != replaced || set.Get(replaced.Key) != rs[0] || set.Len() != 5 || with.All()[0] != extra {
		t.Error("With is wrong or changes its receiver")
	}
}

// positioned holds what every diagnostic of this package promises.
func positioned(t testing.TB, diags diag.List, file string) {
	t.Helper()
	for _, d := range diags {
		if d.Pos.File != file || d.Pos.Line < 1 || d.Pos.Col < 1 || d.Code == "" || d.Message == "" {
			t.Errorf("not positioned: %+v", d)
		}
	}
}
