package analyze

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGenerated compares on sets of objects that are made at random, from few
// names, so that they meet: seeds are printed with what differs.
func TestGenerated(t *testing.T) {
	bin := istioctl.Require(t)
	seen := make(map[string]bool)
	for seed := range uint64(60) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			text := generate(rand.New(rand.NewPCG(seed, 4)))
			file := filepath.Join(t.TempDir(), "set.yaml")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			for f := range compare(t, bin, file) {
				seen[f.code] = true
			}
			if t.Failed() {
				t.Log(text)
			}
		})
	}
	for _, code := range []string{
		"IST0002", "IST0101", "IST0109", "IST0128", "IST0129", "IST0130", "IST0131", "IST0132", "IST0133", "IST0138",
		"IST0151", "IST0152", "IST0153", "IST0154",
	} {
		if !seen[code] {
			t.Errorf("no set has %s: the generator tests less than it says", code)
		}
	}
}

type generator struct{ *rand.Rand }

func (g generator) one(of ...string) string { return of[g.IntN(len(of))] }

func (g generator) some(of ...string) string {
	var out []string
	for _, s := range of {
		if g.IntN(3) == 0 {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		out = append(out, g.one(of...))
	}
	return "[" + strings.Join(out, ", ") + "]"
}

func generate(r *rand.Rand) string {
	g := generator{r}
	var docs []string
	for i := range 4 {
		docs = append(docs, g.gateway(i), g.virtualService(i), g.virtualService(i+4), g.destinationRule(i), g.envoyFilter(i))
	}
	return strings.Join(docs, "---\n")
}

func (g generator) head(kind string, i int) string {
	return fmt.Sprintf("apiVersion: networking.istio.io/v1\nkind: %s\nmetadata: {name: n%d, namespace: %s}\nspec:\n", kind, i, g.one("one", "two"))
}

func (g generator) gateway(i int) string {
	out := g.head("Gateway", i) + "  selector: {" + g.one("istio: ingressgateway", "app: a", "istio: ingressgateway, app: a") + "}\n  servers:\n"
	for p := range 1 + g.IntN(2) {
		out += fmt.Sprintf("  - port: {number: %d, name: p%d, protocol: %s}\n    hosts: %s\n", 443+p, p, g.one("HTTPS", "TLS"),
			g.some(`"*"`, "a.example", `"*.example"`, "one/b.example", "./b.example", `"*/c.example"`, `"*.deep.a.example"`, "d.test"))
		out += "    tls: {" + g.one("mode: SIMPLE, credentialName: c", "mode: SIMPLE, credentialName: d", "mode: PASSTHROUGH", "mode: PASSTHROUGH, credentialName: c",
			"mode: SIMPLE, serverCertificate: /c, privateKey: /k", "mode: SIMPLE, credentialName: c, minProtocolVersion: TLSV1_0",
			"mode: SIMPLE, credentialName: c, httpsRedirect: true") + "}\n"
	}
	return out
}

func (g generator) virtualService(i int) string {
	out := g.head("VirtualService", i) + "  hosts: " + g.some("a.example", `"*.a.example"`, "b.example", "c.example", "d.test", "x.test") + "\n"
	if g.IntN(3) > 0 {
		out += "  gateways: " + g.some("n0", "one/n1", "two/n2", "n3", "mesh") + "\n"
	}
	if g.IntN(4) == 0 {
		out += "  exportTo: " + g.one(`["."]`, `["*"]`, "[two]") + "\n"
	}
	out += "  http:\n"
	for range 1 + g.IntN(5) {
		out += "  - route: [{destination: {host: " + g.one("a", "b.example") + "}}]\n"
		if g.IntN(3) == 0 {
			out += "    fault: {delay: {fixedDelay: 1s, " + g.one("percent: 10", "percentage: {value: 10}") + "}}\n"
		}
		if g.IntN(5) == 0 {
			continue
		}
		out += "    match:\n"
		for range 1 + g.IntN(3) {
			out += "    - " + g.match() + "\n"
		}
	}
	return out
}

func (g generator) match() string {
	parts := []string{"uri: {" + g.one("prefix: /", "prefix: /a", "prefix: /a/b", "prefix: /ab", "exact: /a", "exact: /b", "regex: /a.*") + "}"}
	for _, p := range []string{
		"name: " + g.one("m1", "m2"), "method: {" + g.one("exact: GET", "exact: POST", "prefix: GE") + "}", "port: " + g.one("80", "443"),
		"authority: {" + g.one("exact: a.example", "prefix: a") + "}", "headers: {x: {" + g.one("exact: ab", "prefix: ab", "exact: abc") + "}}",
		"withoutHeaders: {x: {" + g.one("exact: ab", "exact: abc") + "}}", "queryParams: {q: {" + g.one("exact: a", "exact: ab") + "}}",
	} {
		if g.IntN(6) == 0 {
			parts = append(parts, p)
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func (g generator) destinationRule(i int) string {
	tls := func() string {
		return "tls: {" + g.one("mode: SIMPLE", "mode: SIMPLE, caCertificates: /ca", "mode: SIMPLE, credentialName: c", "mode: DISABLE",
			"mode: MUTUAL, clientCertificate: /c, privateKey: /k") + "}"
	}
	out := g.head("DestinationRule", i) + "  host: " + g.one("a", "b.example") + "\n"
	if g.IntN(3) == 0 {
		out += "  workloadSelector: {matchLabels: {app: a}}\n"
	}
	return out + "  trafficPolicy:\n    " + tls() + "\n    outlierDetection: {" + g.one("consecutiveErrors: 3", "consecutive5xxErrors: 3") +
		"}\n    portLevelSettings: [{port: {number: 80}, " + tls() + "}]\n"
}

func (g generator) envoyFilter(i int) string {
	out := g.head("EnvoyFilter", i)
	out = strings.Replace(out, "io/v1\n", "io/v1alpha3\n", 1)
	if g.IntN(4) == 0 {
		out += "  priority: 5\n"
	}
	out += "  configPatches:\n"
	for range 1 + g.IntN(2) {
		out += "  - applyTo: " + g.one("LISTENER", "HTTP_FILTER", "NETWORK_FILTER", "VIRTUAL_HOST", "HTTP_ROUTE", "ROUTE_CONFIGURATION", "CLUSTER") + "\n" +
			"    patch: {operation: " + g.one("MERGE", "ADD", "REMOVE", "INSERT_BEFORE", "INSERT_AFTER", "INSERT_FIRST", "REPLACE") + ", value: {name: a}}\n"
	}
	return out
}
