package square

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"sigs.k8s.io/yaml"

	"github.com/crossgate/crossgate/test/rawhttp"
)

// object is a part of an Istio resource.
type object = map[string]any

// routes makes a site of one VirtualService with random routes.
func (g generator) routes() *site {
	s := &site{}
	for range 1 + g.IntN(4) {
		s.Routes = append(s.Routes, g.route())
	}
	if g.chance(90) {
		last := g.route()
		delete(last, "match")
		s.Routes = append(s.Routes, last)
	}
	return s
}

func (g generator) route() object {
	r := object{}
	var matches []any
	for range g.IntN(3) {
		matches = append(matches, g.match())
	}
	if matches != nil {
		r["match"] = matches
	}
	if g.chance(60) {
		r["corsPolicy"] = g.istioPolicy()
	}
	if g.chance(40) {
		r["headers"] = object{"request": g.mutation(), "response": g.mutation()}
	}
	if g.chance(6) {
		r["fault"] = object{"abort": object{"httpStatus": pick(g, 418, 503, 200), "percentage": object{"value": pick(g, 100, 0)}}}
	}
	switch g.IntN(10) {
	case 0:
		r["redirect"] = g.redirect()
		return r
	case 1:
		// Not 204 with a body: there Envoy sends the body, and with it breaks the
		// connection. We do not follow.
		r["directResponse"] = pick(g, object{"status": 204}, object{"status": pick(g, 200, 418, 503), "body": object{"string": pick(g, "", "direct\n")}})
		return r
	}
	r["route"] = []any{object{"destination": object{"host": "api"}}}
	if g.chance(20) {
		r["rewrite"] = pick(g, object{"uri": "/"}, object{"uri": "/new"}, object{"authority": "other.example"}, object{"uri": "/n", "authority": "o.example"},
			object{"uriRegexRewrite": object{"match": "^/(api|v1)/(.*)$", "rewrite": `/\2/\1`}})
	}
	if g.chance(30) {
		r["retries"] = object{"attempts": g.IntN(4), "retryOn": pick(g, "5xx", "reset", "gateway-error,connect-failure", "retriable-4xx", "503")}
	}
	if g.chance(15) {
		r["timeout"] = pick(g, "0s", "10s")
	}
	return r
}

// The paths of routes and, with variations, of requests.
var paths = []string{"/", "/api", "/api/", "/api/users", "/API/Users", "/v1/x", "/api/users/7", "/a%2Fb", "/api/users;v=1"}

func (g generator) match() object {
	m := object{}
	if g.chance(75) {
		m["uri"] = pick(g, object{"exact": pick(g, paths...)}, object{"prefix": pick(g, paths...)}, object{"prefix": pick(g, "/", "/api", "/a")},
			object{"regex": pick(g, "/api/.*", "/[a-z]+", "/.*users.*", "/(api|v1)/[^/]+", `/api(/\w+)*`)})
	}
	if g.chance(20) {
		m["ignoreUriCase"] = true
	}
	if g.chance(25) {
		m["method"] = pick(g, object{"exact": "GET"}, object{"exact": "OPTIONS"}, object{"regex": "GET|POST"}, object{"prefix": "P"})
	}
	if g.chance(25) {
		m["headers"] = object{pick(g, "x-a", "X-A", "cookie", "accept"): g.stringMatch()}
	}
	if g.chance(12) {
		m["withoutHeaders"] = object{pick(g, "x-a", "authorization"): g.stringMatch()}
	}
	if g.chance(15) {
		m["queryParams"] = object{pick(g, "x", "y"): g.stringMatch()}
	}
	if g.chance(5) {
		m["scheme"] = object{"exact": pick(g, "http", "https")}
	}
	return m
}

func (g generator) stringMatch() object {
	return pick(g, object{}, object{"exact": "1"}, object{"exact": "1,2"}, object{"prefix": "1"}, object{"regex": "[0-9]+"}, object{"regex": ".*1.*"})
}

// istioPolicy makes a corsPolicy that Istio takes.
func (g generator) istioPolicy() object {
	p := object{}
	var origins []any
	for range 1 + g.IntN(3) {
		m := g.matcher()
		switch v := m.GetMatchPattern().(type) {
		case *matcherv3.StringMatcher_Exact:
			origins = append(origins, object{"exact": v.Exact})
		case *matcherv3.StringMatcher_Prefix:
			origins = append(origins, object{"prefix": v.Prefix})
		case *matcherv3.StringMatcher_SafeRegex:
			origins = append(origins, object{"regex": v.SafeRegex.GetRegex()})
		}
	}
	if origins != nil {
		p["allowOrigins"] = origins
	}
	some := func(key string, values ...[]any) {
		if g.chance(60) {
			p[key] = pick(g, values...)
		}
	}
	some("allowMethods", []any{"*"}, []any{"GET"}, []any{"GET", "POST", "PUT"})
	some("allowHeaders", []any{"*"}, []any{"content-type"}, []any{"X-A", "x-b"})
	some("exposeHeaders", []any{"*"}, []any{"x-set"}, []any{"x-a", "x-b"})
	if g.chance(50) {
		p["maxAge"] = pick(g, "24h", "60s", "1h30m")
	}
	if g.chance(50) {
		p["allowCredentials"] = g.chance(50)
	}
	if g.chance(30) {
		p["unmatchedPreflights"] = pick(g, "FORWARD", "IGNORE", "UNSPECIFIED")
	}
	return p
}

func (g generator) mutation() object {
	o := object{}
	value := func() string {
		return pick(g, "1", "a b", "%REQ(origin)%", "%REQ(x-a)%", "a-%REQ(absent)%-b", "%REQ(absent)%", "%PROTOCOL%", "%REQ(:path)%", "%REQ(:method)%", "100%%", "%REQ(x-absent?x-a)%", "%REQ(origin):8%", "%RESPONSE_CODE%")
	}
	name := func() string {
		return pick(g, "x-set", "X-New", "x-a", "vary", "access-control-allow-origin", "x-up", "cache-control", "origin")
	}
	if g.chance(60) {
		o["set"] = object{name(): value(), "x-set2": value()}
	}
	if g.chance(40) {
		o["add"] = object{name(): value()}
	}
	if g.chance(40) {
		o["remove"] = []any{pick(g, "x-up", "x-a", "vary", "access-control-allow-origin", "origin", "cookie", "access-control-expose-headers")}
	}
	return o
}

func (g generator) redirect() object {
	r := object{}
	if g.chance(60) {
		r["uri"] = pick(g, "/moved", "/moved?z=1")
	}
	if g.chance(50) || len(r) == 0 {
		r["authority"] = "elsewhere.example"
	}
	if g.chance(30) {
		r["scheme"] = pick(g, "https", "http")
	}
	if g.chance(50) {
		r["redirectCode"] = pick(g, 301, 302, 303, 307, 308)
	}
	return r
}

// traffic makes a random request to a site of routes.
func (g generator) traffic(s *site) probe {
	p := g.probe(s)
	p.Request.Target = g.target()
	for range g.IntN(3) {
		p.Request.Fields = append(p.Request.Fields, pick(g, extraFields...))
	}
	if p.Request.Body != nil && g.chance(30) {
		p.Request.Fields = append(p.Request.Fields, rawhttp.Field{Name: "Transfer-Encoding", Value: "chunked"})
		chunk := "0\r\n\r\n"
		if n := len(p.Request.Body); n > 0 {
			chunk = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", n, p.Request.Body)
		}
		p.Request.Body = []byte(chunk)
	}
	for range g.IntN(3) {
		p.Plan.Fields = append(p.Plan.Fields, pick(g, upstreamFields...))
	}
	if g.chance(10) {
		p.Plan.FailFirst, p.Plan.FailStatus = 1+g.IntN(3), pick(g, 0, 503, 409, 500)
	}
	return p
}

// extraFields are request headers that proxies treat in ways of their own.
var extraFields = []rawhttp.Field{
	{Name: "X-A", Value: "1"},
	{Name: "X-A", Value: "1"},
	{Name: "x-a", Value: "2"},
	{Name: "X-A", Value: "1,2"},
	{Name: "X-A", Value: ""},
	{Name: "Cookie", Value: "a=1"},
	{Name: "Cookie", Value: "b=2"},
	{Name: "Accept", Value: "text/html"},
	{Name: "Accept", Value: "1"},
	{Name: "X-Forwarded-For", Value: "10.1.2.3"},
	{Name: "X-Forwarded-Proto", Value: "https"},
	{Name: "X-Forwarded-Host", Value: "f.example"},
	{Name: "X-Request-Id", Value: "mine"},
	{Name: "X-Envoy-Retry-On", Value: "5xx"},
	{Name: "X-Envoy-Upstream-Rq-Timeout-Ms", Value: "1"},
	{Name: "X-Envoy-Decorator-Operation", Value: "mine"},
	{Name: "X-Envoy-Attempt-Count", Value: "9"},
	{Name: "X-Envoy-Internal", Value: "true"},
	{Name: "X-Envoy-External-Address", Value: "10.9.9.9"},
	{Name: "X-Envoy-Original-Path", Value: "/o"},
	{Name: "X-Envoy-Expected-Rq-Timeout-Ms", Value: "5"},
	{Name: "Connection", Value: "close"},
	{Name: "Connection", Value: "keep-alive, X-A"},
	{Name: "Keep-Alive", Value: "timeout=5"},
	{Name: "Proxy-Connection", Value: "keep-alive"},
	{Name: "TE", Value: "trailers"},
	{Name: "TE", Value: "gzip, trailers"},
	{Name: "Via", Value: "1.1 x"},
	{Name: "Authorization", Value: "Bearer t"},
	{Name: "User-Agent", Value: "t/1"},
	{Name: "Traceparent", Value: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
	{Name: "Content-Type", Value: "application/json"},
	{Name: "X_Under", Value: "1"},
	{Name: "Proxy-Authorization", Value: "Basic eA=="},
	{Name: "Date", Value: "now"},
	{Name: "X-Client-Trace-Id", Value: "c"},
	{Name: "X-Forwarded-Client-Cert", Value: "By=x"},
}

// upstreamFields are response headers of the same kind.
var upstreamFields = []rawhttp.Field{
	{Name: "Set-Cookie", Value: "a=1"},
	{Name: "Set-Cookie", Value: "b=2; Secure"},
	{Name: "Server", Value: "mine"},
	{Name: "Date", Value: "Thu, 01 Jan 1970 00:00:00 GMT"},
	{Name: "X-Up", Value: "1"},
	{Name: "X-Up", Value: "2"},
	{Name: "Connection", Value: "X-Up"},
	{Name: "Connection", Value: "close"},
	{Name: "Keep-Alive", Value: "timeout=5"},
	{Name: "X-Envoy-Upstream-Service-Time", Value: "77"},
	{Name: "X-Envoy-Attempt-Count", Value: "7"},
	{Name: "X-Envoy-Decorator-Operation", Value: "up"},
	{Name: "X-Envoy-Overloaded", Value: "true"},
	{Name: "Via", Value: "1.1 up"},
	{Name: "Cache-Control", Value: "no-store"},
	{Name: "Cache-Control", Value: "private"},
	{Name: "Trailer", Value: "t"},
	{Name: "Content-Type", Value: "text/html"},
	{Name: "Location", Value: "/elsewhere"},
	{Name: "ETag", Value: `"x"`},
	{Name: "Proxy-Connection", Value: "close"},
	{Name: "X-Request-Id", Value: "up"},
}

func (g generator) target() string {
	p := pick(g, paths...)
	switch g.IntN(30) {
	case 0:
		p = "/" + p
	case 1:
		p += "/../v1/x"
	case 2:
		p += "/./"
	case 3:
		p = strings.ReplaceAll(p, "a", "%61")
	case 4:
		p = strings.ReplaceAll(p, "/u", `\u`)
	case 5:
		p = strings.ToUpper(p)
	case 6:
		p += "%00"
	case 7:
		p += `{"|^}`
	case 8:
		p += "/\xc3\xa9"
	case 9:
		p += "%2e%2e/%zz"
	case 10:
		p += "#f"
	case 11:
		p += "//x///y"
	}
	if g.chance(30) {
		p += pick(g, "?x=1", "?x=1&y=2", "?y=&x", "?", "?x=2&x=1", "?a=/../b", "?x=%31", "?q=#f")
	}
	return p
}

// services are the Gateway and the service of all generated routes.
const services = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gateway, namespace: shop}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: ["*"]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api, namespace: shop}
spec:
  hosts: [api.shop.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 8080, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {http: $upstream}}]
`

// virtualServices writes the sites as resources: one VirtualService each.
func virtualServices(sites []*site) ([]byte, map[*site]address, error) {
	where := map[*site]address{}
	var out []byte
	for i, s := range sites {
		a := address{Host: fmt.Sprintf("site%d.test", i)}
		doc, err := yaml.Marshal(object{
			"apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
			"metadata": object{"name": fmt.Sprintf("site%d", i), "namespace": "shop"},
			"spec":     object{"hosts": []any{a.Host}, "gateways": []any{"gateway"}, "http": s.Routes},
		})
		if err != nil {
			return nil, nil, err
		}
		if i > 0 {
			out = append(out, "---\n"...)
		}
		out = append(out, doc...)
		where[s] = a
	}
	return out, where, nil
}

// layoutRoutes builds one bootstrap for many sites of routes with the binary.
func layoutRoutes(crossgate, dir string, sites []*site, upPort int) ([]byte, map[*site]address, error) {
	docs, where, err := virtualServices(sites)
	if err != nil {
		return nil, nil, err
	}
	base, err := fill([]byte(services), func(string) (int, error) { return upPort, nil })
	if err != nil {
		return nil, nil, err
	}
	in := filepath.Join(dir, "in")
	if err := os.MkdirAll(in, 0o700); err != nil {
		return nil, nil, err
	}
	for name, data := range map[string][]byte{"services.yaml": base, "sites.yaml": docs} {
		if err := os.WriteFile(filepath.Join(in, name), data, 0o600); err != nil {
			return nil, nil, err
		}
	}
	out, err := translate(crossgate, profileIstio, in, dir)
	return out, where, err
}
