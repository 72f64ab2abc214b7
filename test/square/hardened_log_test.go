package square

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossgate/crossgate/test/rawhttp"
)

// logReasons makes the access log name the route.
const logReasons = `-- log.yaml --
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: log, namespace: istio-system}
spec:
  configPatches:
  - applyTo: NETWORK_FILTER
    match: {context: GATEWAY, listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager}}}}
    patch:
      operation: MERGE
      value:
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          access_log:
          - name: envoy.access_loggers.file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: /dev/stdout
              log_format: {json_format: {route: "%ROUTE_NAME%", code: "%RESPONSE_CODE%", details: "%RESPONSE_CODE_DETAILS%", flags: "%RESPONSE_FLAGS%"}}
`

// upConfig begins the configuration of a script with the service up.test.
const upConfig = `-- config.yaml --
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: up}
spec:
  hosts: [up.test]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {http: $upstream}}]
---
`

// reasonsScript asks for every reason once. The comment of a request is what the
// access log has to say.
const reasonsScript = upConfig + `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: vs, annotations: {crossgate.dev/enforce: block}}
spec:
  hosts: [a.test]
  gateways: [gw]
  http:
  - name: api
    match: [{uri: {prefix: /api}}]
    corsPolicy: &policy
      allowOrigins: [{exact: "https://app.test"}]
      allowMethods: [GET, PUT]
      allowHeaders: [content-type]
    route: [{destination: {host: up.test, port: {number: 80}}}]
  - match: [{uri: {prefix: /old}}]
    corsPolicy: *policy
    redirect: {uri: /api}
  - name: plain
    match: [{uri: {prefix: /plain}}]
    route: [{destination: {host: up.test, port: {number: 80}}}]
-- requests --
each request:
Host: a.test

# api#deny-origin
OPTIONS /api
Origin: https://evil.test
Access-Control-Request-Method: PUT

# api#deny-method
OPTIONS /api
Origin: https://app.test
Access-Control-Request-Method: DELETE

# api#deny-headers
OPTIONS /api
Origin: https://app.test
Access-Control-Request-Method: PUT
Access-Control-Request-Headers: x-other

# api#preflight
OPTIONS /api
Origin: https://app.test
Access-Control-Request-Method: PUT

# api#deny-block
GET /api
Origin: https://evil.test
Sec-Fetch-Site: cross-site

# api
GET /api

# default/vs#preflight
OPTIONS /old
Origin: https://app.test
Access-Control-Request-Method: PUT

# default/vs#no-cors
GET /old

# plain
GET /plain
Origin: https://evil.test

# not-found#deny-origin
OPTIONS /nowhere
Origin: https://evil.test
Access-Control-Request-Method: PUT

# not-found
GET /nowhere
`

// trialScript does so for a level and a policy on trial, which are served.
const trialScript = upConfig + `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: vs, annotations: {crossgate.dev/report-only: block}}
spec:
  hosts: [a.test]
  gateways: [gw]
  http:
  - name: api
    match: [{uri: {prefix: /api}}]
    corsPolicy:
      allowOrigins: [{exact: "https://app.test"}, {exact: "https://old.test"}]
      allowMethods: [GET, PUT]
      allowHeaders: [content-type, x-old]
    route: [{destination: {host: up.test, port: {number: 80}}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: next, annotations: {crossgate.dev/trial: "true"}}
spec:
  hosts: [a.test]
  gateways: [gw]
  http:
  - match: [{uri: {prefix: /api}}]
    corsPolicy:
      allowOrigins: [{exact: "https://app.test"}]
      allowMethods: [GET]
      allowHeaders: [content-type]
    route: [{destination: {host: up.test, port: {number: 80}}}]
-- requests --
each request:
Host: a.test

# api#deny-origin
OPTIONS /api
Origin: https://evil.test
Access-Control-Request-Method: PUT
=> 403

# api#would-deny-origin
OPTIONS /api
Origin: https://old.test
Access-Control-Request-Method: GET
=> 200

# api#would-deny-method
OPTIONS /api
Origin: https://app.test
Access-Control-Request-Method: PUT
=> 200

# api#would-deny-headers
OPTIONS /api
Origin: https://app.test
Access-Control-Request-Method: GET
Access-Control-Request-Headers: x-old
=> 200

# api#preflight
OPTIONS /api
Origin: https://app.test
Access-Control-Request-Method: GET
=> 200

# api#would-deny-block
GET /api
Origin: https://evil.test
=> 200

# api#would-drop-headers
GET /api
Origin: https://old.test
=> 200

# api
GET /api
Origin: https://app.test
=> 200
`

// TestHardenedReasons: the access log says why a request was refused, or would be, on
// the engine and on Envoy alike.
func TestHardenedReasons(t *testing.T) {
	planes := planesOf(t)
	for name, text := range map[string]string{"refused": reasonsScript, "on trial": trialScript} {
		t.Run(name, func(t *testing.T) { testReasons(t, planes, text) })
	}
}

func testReasons(t *testing.T, planes []plane, text string) {
	s, err := ParseScript([]byte(logReasons + text))
	if err != nil {
		t.Fatal(err)
	}
	desk := rawhttp.NewDesk()
	logs := logsOf(t, planes, bootstrapOf(t, s, desk, profileHardened), desk, s.Cases())
	compareLogs(t, planes, logs)
	var want []string
	for _, b := range s.blocks {
		if b.test == nil {
			continue
		}
		code := ""
		if len(b.test.Want) > 0 {
			code = strings.TrimPrefix(b.test.Want[0], "=>")
		}
		want = append(want, b.head[0][2:]+code)
	}
	slices.Sort(want)
	for i, lines := range logs {
		var got []string
		for _, l := range lines {
			one := fmt.Sprint(l["route"])
			if slices.ContainsFunc(want, func(s string) bool { return strings.HasPrefix(s, one+" ") }) {
				one += fmt.Sprint(" ", l["code"])
			}
			got = append(got, one)
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +%s)\n%s", planes[i].name, diff)
		}
	}
}
