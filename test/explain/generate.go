package explain

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/crossgate/crossgate/internal/fetch"
)

// generator makes configurations and calls whose parts are near each other, so that many calls are decided late.
type generator struct{ *rand.Rand }

func (g generator) one(values ...string) string { return values[g.IntN(len(values))] }

func (g generator) some(values ...string) []string {
	var out []string
	for _, v := range values {
		if g.IntN(2) == 0 {
			out = append(out, v)
		}
	}
	return out
}

const app = "https://app.example.com"

// virtualService is one host with up to four routes.
func (g generator) virtualService(i int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v%d, namespace: default}\nspec:\n  hosts: [%s]\n  gateways: [web]\n  http:\n",
		i, host(i))
	for range 1 + g.IntN(4) {
		g.route(&b)
	}
	return b.String()
}

func host(i int) string { return fmt.Sprintf("h%d.example.com", i) }

func (g generator) route(b *strings.Builder) {
	fmt.Fprintf(b, "  - match:\n    - uri: {%s: %s}\n", g.one("prefix", "prefix", "exact"), g.one("/", "/a", "/a/b", "/c"))
	if g.IntN(5) == 0 {
		fmt.Fprintf(b, "      method: {exact: %s}\n", g.one("GET", "PUT", "OPTIONS"))
	}
	if g.IntN(6) == 0 {
		fmt.Fprintf(b, "      headers: {x-one: {exact: \"1\"}}\n")
	}
	switch g.IntN(12) {
	case 0:
		b.WriteString("    directResponse: {status: 418}\n")
	case 1:
		b.WriteString("    redirect: {uri: /c}\n")
	default:
		b.WriteString("    route: [{destination: {host: service, port: {number: 80}}}]\n")
	}
	if g.IntN(10) == 0 {
		fmt.Fprintf(b, "    headers: {response: {%s: {access-control-allow-origin: %q}}}\n", g.one("set", "add"), g.one("*", app, "null"))
	}
	if g.IntN(6) == 0 {
		return
	}
	b.WriteString("    corsPolicy:\n      allowOrigins:\n")
	for range 1 + g.IntN(2) {
		fmt.Fprintf(b, "      - %s\n", g.one("exact: "+app, "exact: "+app, "exact: http://app.example.com", "prefix: https://app.", `regex: "https://[a-z]+\\.example\\.com"`, `exact: "*"`))
	}
	if m := g.some("GET", "PUT", "POST", "DELETE"); g.IntN(5) > 0 && len(m) > 0 {
		fmt.Fprintf(b, "      allowMethods: [%s]\n", strings.Join(m, ", "))
	}
	if h := g.some("x-one", "content-type", "authorization", `"*"`); g.IntN(5) > 0 && len(h) > 0 {
		fmt.Fprintf(b, "      allowHeaders: [%s]\n", strings.Join(h, ", "))
	}
	if g.IntN(3) == 0 {
		fmt.Fprintf(b, "      allowCredentials: %s\n", g.one("true", "false"))
	}
	if g.IntN(4) == 0 {
		fmt.Fprintf(b, "      exposeHeaders: [%s]\n", g.one("x-seen", `"*"`))
	}
	if g.IntN(5) == 0 {
		fmt.Fprintf(b, "      unmatchedPreflights: %s\n", g.one("FORWARD", "IGNORE"))
	}
}

// call is a call to one of the hosts, or rarely to none.
func (g generator) call(i int) fetch.Call {
	c := fetch.Call{
		Page:        g.one(app, app, app, "http://app.example.com", "https://www.example.com", "https://evil.test", "null"),
		URL:         "http://" + host(i) + g.one("/", "/a", "/a/b", "/c", "/d?q=1"),
		Method:      g.one("GET", "GET", "POST", "PUT", "DELETE", "OPTIONS"),
		Credentials: fetch.Credentials(g.one("omit", "same-origin", "include")),
	}
	for _, name := range g.some("x-one", "content-type", "authorization") {
		if g.IntN(2) == 0 {
			c.Headers = append(c.Headers, fetch.Field{Name: name, Value: g.one("1", "application/json", "text/plain")})
		}
	}
	return c
}
