package endurance

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/crossgate/crossgate/test/gate"
	"github.com/crossgate/crossgate/test/rawhttp"
)

// broken is an input that cannot be used.
type broken struct {
	name string
	text string
	// said is a pattern of what must be said, with %s for the file's name; empty
	// means positioned.
	said string
	// holds says that the gateway takes no change as long as the file is there,
	// because it asks for protection that would be missing.
	holds bool
}

const (
	positioned = `%s:\d+(:\d+)?: error: `
	warned     = `%s:\d+:\d+: warning: `
	nothing    = `-` // no diagnostic is due; only the rest must go on

	object = "apiVersion: networking.istio.io/v1\nkind: %s\nmetadata: {name: broken, namespace: shop}\nspec:\n%s"
)

func vs(http string) string {
	return fmt.Sprintf(object, "VirtualService", "  hosts: [broken.example.com]\n  gateways: [gateway]\n  http:\n  - "+http+"\n    route: [{destination: {host: api}}]\n")
}

func cors(field string) string { return vs("corsPolicy: {" + field + "}") }

func gatewayOf(server string) string {
	return fmt.Sprintf(object, "Gateway", "  selector: {istio: ingressgateway}\n  servers:\n  - "+server+"\n")
}

// brokenInputs are the inputs of TestBrokenInputs. busy is a port in use.
func brokenInputs(busy int) []broken {
	good := fmt.Sprintf(strings.ReplaceAll(policy, "name: api,", "name: broken,"), 1)
	deep := strings.Repeat("[", 20_000)
	return []broken{
		{name: "truncated in a string", text: `kind: "VirtualSer`},
		{name: "truncated in a flow", text: good[:strings.Index(good, "]")]},
		{name: "no kind", text: "apiVersion: networking.istio.io/v1\nmetadata: {name: x}\n"},
		{name: "no apiVersion", text: "kind: VirtualService\nmetadata: {name: x}\n"},
		{name: "no name", text: strings.Replace(good, "name: broken, ", "", 1)},
		{name: "wrong version", text: strings.Replace(good, "istio.io/v1", "istio.io/v7", 1), said: warned},
		{name: "a scalar", text: "just words\n"},
		{name: "a list", text: "- a\n- b\n"},
		{name: "spec is a string", text: "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: x}\nspec: none\n"},
		{name: "spec is a list", text: "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: x}\nspec: [1]\n"},
		{name: "metadata is a list", text: "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: [x]\n"},
		{name: "unknown field", text: cors(`allowOrigin5: []`)},
		{name: "duplicate key", text: cors(`maxAge: 1s, maxAge: 2s`)},
		{name: "tab as indentation", text: "kind: VirtualService\n\tmetadata: {}\n"},
		{name: "list for a string", text: cors(`maxAge: [1s]`)},
		{name: "map for a list", text: cors(`allowMethods: {GET: true}`)},
		{name: "string for a boolean", text: cors(`allowCredentials: maybe`)},
		{name: "unknown enum", text: cors(`unmatchedPreflights: PERHAPS`)},
		{name: "duration without unit", text: cors(`maxAge: "24"`)},
		{name: "negative duration", text: cors(`maxAge: "-1h"`)},
		{name: "fraction of a second", text: cors(`maxAge: "1.5s"`)},
		{name: "unknown method", text: cors(`allowMethods: [get]`)},
		{name: "bad header name", text: cors(`allowHeaders: ["x foo"]`)},
		{name: "line break in a header name", text: cors(`exposeHeaders: ["x\r\nset-cookie: a"]`)},
		{name: "empty origin", text: cors(`allowOrigins: [{exact: ""}]`)},
		{name: "unbalanced regex", text: cors(`allowOrigins: [{regex: "https://("}]`)},
		{name: "look-ahead", text: cors(`allowOrigins: [{regex: "(?!evil).*"}]`)},
		{name: "two matchers in one", text: cors(`allowOrigins: [{exact: a, prefix: b}]`)},
		{name: "regex in a path", text: vs(`match: [{uri: {regex: "*"}}]`)},
		{name: "no route", text: strings.Replace(vs(`name: x`), "route: [{destination: {host: api}}]", "", 1)},
		{name: "negative weight", text: strings.Replace(vs(`name: x`), "host: api}}", "host: api}, weight: -5}", 1)},
		{name: "port out of range", text: strings.Replace(vs(`name: x`), "host: api}", "host: api, port: {number: 70000}}", 1)},
		{name: "host with a port", text: strings.Replace(good, "[api.example.com]", `["shop.example:8080"]`, 1)},
		{name: "no hosts", text: strings.Replace(good, "hosts: [api.example.com]", "hosts: []", 1)},
		{name: "gateway port 0", text: gatewayOf(`{port: {number: 0, name: http, protocol: HTTP}, hosts: ["*"]}`)},
		{name: "gateway port 99999", text: gatewayOf(`{port: {number: 99999, name: http, protocol: HTTP}, hosts: ["*"]}`)},
		{name: "unknown protocol", text: gatewayOf(`{port: {number: 81, name: x, protocol: SMTP}, hosts: ["*"]}`)},
		{name: "port in use", text: gatewayOf(fmt.Sprintf(`{port: {number: %d, name: http, protocol: HTTP}, hosts: ["*"]}`, busy))},
		{name: "missing secret", text: gatewayOf(`{port: {number: 443, name: https, protocol: HTTPS}, tls: {mode: SIMPLE, credentialName: none}, hosts: ["*"]}`)},
		{name: "bad certificate", text: "apiVersion: v1\nkind: Secret\nmetadata: {name: bad, namespace: shop}\ntype: kubernetes.io/tls\nstringData: {tls.crt: nonsense, tls.key: nonsense}\n---\n" +
			gatewayOf(`{port: {number: 443, name: https, protocol: HTTPS}, tls: {mode: SIMPLE, credentialName: bad}, hosts: ["*"]}`)},
		{name: "not base64", text: "apiVersion: v1\nkind: Secret\nmetadata: {name: bad, namespace: shop}\ndata: {tls.crt: '!!'}\n"},
		{name: "bad endpoint", text: fmt.Sprintf(object, "ServiceEntry", "  hosts: [x.example]\n  resolution: STATIC\n  ports: [{number: 80, name: http, protocol: HTTP}]\n  endpoints: [{address: not an address}]\n")},
		{name: "NUL", text: "kind: Virtual\x00Service\n"},
		{name: "no UTF-8", text: "kind: \xff\xfe\xfd\n"},
		{name: "binary", text: "\x7fELF\x02\x01\x01\x00\x00\x00"},
		{name: "alias bomb", text: aliasBomb()},
		{name: "endless alias", text: "a: &a [*a]\n"},
		{name: "20,000 levels", text: deep},
		{name: "a document of 5 MB", text: cors(`allowHeaders: ["` + strings.Repeat("x", 5<<20) + ` y"]`)},
		{name: "10,000 documents", text: strings.Repeat("---\nkind: VirtualService\n", 10_000)},
		{name: "bad JSON", text: `{"kind": "VirtualService", "spec": {]}`},
		{name: "a broken one after a good one", text: strings.Replace(good, "[api.example.com]", "[other.example.com]", 1) + "---\nkind: [\n"},
		{name: "a security kind", text: "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: broken, namespace: shop}\nspec: {}\n", holds: true},
		{name: "empty", text: "", said: nothing},
		{name: "only separators", text: "---\n---\n", said: nothing},
	}
}

// aliasBomb returns ten levels of ten aliases each: 10^10 nodes if they were
// written out.
func aliasBomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x]\n")
	for i := 1; i <= 10; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s*a%d]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), i-1)
	}
	return b.String()
}

// TestBrokenInputs puts one broken file after the other beside good ones while
// the gateway serves them. It must say where the error is, keep serving, and
// take the next change of the good files.
func TestBrokenInputs(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	dir := folder(t, upstream(t, rawhttp.NewDesk()).Port())
	g := gate.Serve(t, dir)
	eventually(t, 10*time.Second, "the first answer", func() string { return get(g) })
	inputs := brokenInputs(busy.Addr().(*net.TCPAddr).Port - g.Offset())
	if len(inputs) < 50 {
		t.Errorf("only %d inputs", len(inputs))
	}
	version := 1
	for i, in := range inputs {
		name := fmt.Sprintf("broken-%02d.yaml", i)
		if !t.Run(in.name, func(t *testing.T) {
			version++
			testBroken(t, g, dir, name, version, in)
		}) {
			select {
			case <-g.Done():
				t.Fatalf("the gateway ended:\n%s", g.Output())
			default:
			}
		}
	}
}

func testBroken(t *testing.T, g *gate.Gate, dir, name string, version int, in broken) {
	replace(t, dir, name, in.text)
	said := cmp.Or(in.said, positioned)
	if said != nothing {
		want := regexp.MustCompile(fmt.Sprintf(said, regexp.QuoteMeta(name)))
		eventually(t, 10*time.Second, "the diagnostic", func() string {
			if out := g.Output(); !want.MatchString(out) {
				return fmt.Sprintf("want %s in\n%s", want, lastLines(out, 5))
			}
			return ""
		})
	}
	replace(t, dir, "policy.yaml", fmt.Sprintf(policy, version))
	if in.holds {
		if said := get(g); said != "" {
			t.Error(said)
		}
		remove(t, dir, name)
	}
	eventually(t, 10*time.Second, "the next change", func() string { return serves(g, version) })
	if !in.holds {
		remove(t, dir, name)
	}
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}

// serves returns what is wrong with the gateway's answer, which must be of the
// version, or "".
func serves(g *gate.Gate, version int) string {
	c, err := rawhttp.Dial(g.Addr(80), 5*time.Second)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = c.Close() }()
	resp := c.Do([]byte("GET / HTTP/1.1\r\nHost: "+host+"\r\nOrigin: "+origin+"\r\n\r\n"), "GET")
	if v, _ := resp.Fields.Get("access-control-expose-headers"); resp.Status != 200 || v != fmt.Sprintf("v%d", version) {
		return fmt.Sprintf("%d %s %v, want version %d", resp.Status, resp.End, resp.Fields, version)
	}
	return ""
}

// TestUnreadableFiles does the same with files that cannot be read at all.
func TestUnreadableFiles(t *testing.T) {
	dir := folder(t, upstream(t, rawhttp.NewDesk()).Port())
	g := gate.Serve(t, dir)
	eventually(t, 10*time.Second, "the first answer", func() string { return get(g) })
	if err := os.Symlink("nowhere.yaml", filepath.Join(dir, "dangling.yaml")); err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`dangling\.yaml: error: `)
	eventually(t, 10*time.Second, "the error", func() string {
		if out := g.Output(); !want.MatchString(out) {
			return lastLines(out, 5)
		}
		return ""
	})
	replace(t, dir, "policy.yaml", fmt.Sprintf(policy, 2))
	eventually(t, 10*time.Second, "the next change", func() string { return serves(g, 2) })
	remove(t, dir, "dangling.yaml")
	// A pipe that nobody writes to must not hang the reader.
	pipe(t, filepath.Join(dir, "pipe.yaml"))
	replace(t, dir, "policy.yaml", fmt.Sprintf(policy, 3))
	eventually(t, 10*time.Second, "a change beside a pipe", func() string { return serves(g, 3) })
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	lines = lines[max(0, len(lines)-n):]
	for i, l := range lines {
		if len(l) > 300 {
			lines[i] = l[:300] + "…"
		}
	}
	return strings.Join(lines, "\n")
}
