package browser

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/crossgate/crossgate/test/gate"
)

func TestMain(m *testing.M) {
	code := m.Run()
	gate.Cleanup()
	browserTool.ReportSkipped()
	for _, needed := range certificateTools {
		needed.ReportSkipped()
	}
	os.Exit(code)
}

const (
	appPage      = "https://app.example.com/"
	attackerPage = "https://www.attacker.test/"
)

// TestCredentials plays document 08 of the guide as it is written.
func TestCredentials(t *testing.T) {
	s := play(t, guideDocument(t, "08-api-cors-credentials"))
	app := s.browser.open(appPage)

	// Credentials: the first answer sets the cookie, the second request has it.
	include := fields{"credentials": "include"}
	app.fetch(api+"/api/login", include)
	r := app.fetch(api+"/api/user", include)
	if r.Status != 200 || r.Body != `{"user":"ann","cookie":"session=s3cr3t"}` {
		t.Errorf("with credentials: %+v", r)
	}
	if r.Protocol != "h2" {
		t.Errorf("the browser speaks %q, want HTTP/2", r.Protocol)
	}
	if n := s.logged("OPTIONS", "/api/user"); n != 0 {
		t.Errorf("%d preflights before a simple GET", n)
	}
	// The page decides: without credentials there is no cookie.
	if r := app.fetch(api+"/api/user", nil); r.Status != 200 || !strings.Contains(r.Body, `"cookie":""`) {
		t.Errorf("without credentials: %+v", r)
	}

	// Exposed headers can be read, others not, and set-cookie never.
	if r.Headers["x-request-id"] != "the-id" || r.Headers["content-type"] == "" {
		t.Errorf("exposed headers cannot be read: %v", r.Headers)
	}
	for _, hidden := range []string{"x-secret", "set-cookie"} {
		if v, ok := r.Headers[hidden]; ok {
			t.Errorf("a page reads %s: %q", hidden, v)
		}
	}

	// A preflight precedes the PUT, once for all of max-age.
	put := fields{"method": "PUT", "credentials": "include", "headers": fields{"content-type": "application/json", "x-csrf-token": "t"}, "body": "{}"}
	for range 3 {
		if r := app.fetch(api+"/api/cart", put); r.Status != 200 || !strings.Contains(r.Body, "s3cr3t") {
			t.Errorf("PUT: %+v", r)
		}
	}
	if n := s.logged("OPTIONS", "/api/cart"); n != 1 {
		t.Errorf("%d preflights for three PUTs, want 1", n)
	}
	if !strings.Contains(s.gate.Output(), `"OPTIONS /api/cart HTTP/2"`) {
		t.Errorf("the preflight did not come over HTTP/2:\n%s", s.gate.Output())
	}
	if n := len(s.service.got("/api/cart")); n != 3 {
		t.Errorf("%d requests reached the service, want the three PUTs", n)
	}

	// What the lists do not have is refused by the gateway, which says nothing else.
	refused := "PreflightMissingAllowOriginHeader"
	testLists(t, s, refused, refused)
}

// testLists asks for a method and a header that document 08 does not list.
func testLists(t *testing.T, s *stage, method, header string) {
	t.Helper()
	app := s.browser.open(appPage)
	for _, tt := range []struct {
		init   fields
		reason string
	}{
		{fields{"method": "PATCH"}, method},
		{fields{"headers": fields{"x-other": "1"}}, header},
	} {
		if r := app.fetch(api+"/api/refused", tt.init); r.Failed != tt.reason {
			t.Errorf("%v: %+v, want %s", tt.init, r, tt.reason)
		}
	}
	if n := len(s.service.got("/api/refused")); n != 0 {
		t.Errorf("%d refused requests reached the service", n)
	}
}

// TestIstioLeavesItToTheBrowser: with the profile istio the gateway tells the lists
// and the browser refuses.
func TestIstioLeavesItToTheBrowser(t *testing.T) {
	s := playProfile(t, guideDocument(t, "08-api-cors-credentials"), "istio")
	testLists(t, s, "MethodDisallowedByPreflightResponse", "HeaderDisallowedByPreflightResponse")
}

// TestOtherOrigin shows what a page of another origin can and cannot do.
func TestOtherOrigin(t *testing.T) {
	s := play(t, guideDocument(t, "08-api-cors-credentials"))
	attacker := s.browser.open(attackerPage)
	// A simple request is sent and served; only its answer is kept from the page.
	if r := attacker.fetch(api+"/api/user", fields{"credentials": "include"}); r.Failed != "MissingAllowOriginHeader" || r.Body != "" {
		t.Errorf("a page of another origin: %+v", r)
	}
	if n := len(s.service.got("/api/user")); n != 1 {
		t.Errorf("the service got %d requests, want 1: CORS keeps answers from pages, not requests from services", n)
	}
	// Others are not sent.
	if r := attacker.fetch(api+"/api/cart", fields{"method": "DELETE"}); r.Failed != "PreflightMissingAllowOriginHeader" {
		t.Errorf("a DELETE of another origin: %+v", r)
	}
	for _, got := range s.service.got("/api/cart") {
		if got.Method != "OPTIONS" {
			t.Errorf("the service got %s", got.Method)
		}
	}
	// The same in a page that is allowed, so that it is the origin that decides.
	if r := s.browser.open(appPage).fetch(api+"/api/cart", fields{"method": "DELETE"}); r.Status != 200 {
		t.Errorf("an allowed page: %+v", r)
	}
}

// shortPolicy allows everything of the page; a preflight of /short is remembered for a
// second, one of /api for an hour.
const shortPolicy = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api, namespace: production}
spec:
  hosts: [api.example.com]
  gateways: [api-gateway]
  http:
  - match: [{uri: {prefix: /short}}]
    corsPolicy:
      allowOrigins: [{exact: "https://app.example.com"}]
      allowMethods: [GET, POST, PUT, PATCH, DELETE]
      allowHeaders: [content-type, x-custom, authorization]
      maxAge: 1s
    route: [{destination: {host: api-service, port: {number: 8080}}}]
  - match: [{uri: {prefix: /api}}]
    corsPolicy:
      allowOrigins: [{exact: "https://app.example.com"}]
      allowMethods: [GET, POST, PUT, PATCH, DELETE]
      allowHeaders: [content-type, x-custom, authorization]
      maxAge: 1h
    route: [{destination: {host: api-service, port: {number: 8080}}}]
  - route: [{destination: {host: api-service, port: {number: 8080}}}]
`

// TestPreflightCache shows that max-age is what the browser remembers.
func TestPreflightCache(t *testing.T) {
	s := play(t, shortPolicy)
	app := s.browser.open(appPage)
	put := fields{"method": "PUT"}
	ask := func(path string) {
		t.Helper()
		if r := app.fetch(api+path, put); r.Status != 200 {
			t.Fatalf("%s: %+v", path, r)
		}
	}
	ask("/short")
	ask("/api")
	ask("/short")
	ask("/api")
	short, long := s.logged("OPTIONS", "/short"), s.logged("OPTIONS", "/api")
	if long != 1 || short < 1 || short > 2 {
		t.Errorf("%d and %d preflights, want one each (two where a second went by)", short, long)
	}
	time.Sleep(1500 * time.Millisecond) // the browser's clock is the real one
	ask("/short")
	ask("/api")
	if n := s.logged("OPTIONS", "/short"); n != short+1 {
		t.Errorf("after max-age: %d preflights, want %d", n, short+1)
	}
	if n := s.logged("OPTIONS", "/api"); n != 1 {
		t.Errorf("within max-age: %d preflights, want 1", n)
	}
	// Another URL is another entry, and so is another query.
	ask("/api/x")
	ask("/api?x=1")
	if s.logged("OPTIONS", "/api/x") != 1 || s.logged("OPTIONS", "/api?x=1") != 1 {
		t.Error("a preflight was remembered for another URL")
	}
}

// TestWhatNeedsPreflight goes through the guide's flowchart.
func TestWhatNeedsPreflight(t *testing.T) {
	s := play(t, shortPolicy)
	app := s.browser.open(appPage)
	for i, tt := range []struct {
		name string
		init fields
		want int
	}{
		{"GET", nil, 0},
		{"HEAD", fields{"method": "HEAD"}, 0},
		{"POST of text", fields{"method": "POST", "body": "x", "headers": fields{"content-type": "text/plain"}}, 0},
		{"POST of a form", fields{"method": "POST", "body": "a=1", "headers": fields{"content-type": "application/x-www-form-urlencoded"}}, 0},
		{"safelisted headers", fields{"headers": fields{"accept": "application/json", "accept-language": "de"}}, 0},
		{"POST of JSON", fields{"method": "POST", "body": "{}", "headers": fields{"content-type": "application/json"}}, 1},
		{"custom header", fields{"headers": fields{"x-custom": "1"}}, 1},
		{"authorization header", fields{"headers": fields{"authorization": "Bearer x"}}, 1},
		{"PUT", fields{"method": "PUT"}, 1},
		{"PATCH", fields{"method": "PATCH"}, 1},
		{"DELETE", fields{"method": "DELETE"}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := fmt.Sprintf("/api/%d", i)
			if r := app.fetch(api+path, tt.init); r.Status != 200 {
				t.Fatalf("%+v", r)
			}
			if n := s.logged("OPTIONS", path); n != tt.want {
				t.Errorf("%d preflights, want %d", n, tt.want)
			}
		})
	}
}

// TestWhatIsSent shows the headers that a browser adds to what it sends to
// another origin. A route without a policy lets the preflight through to the
// service, which can then tell.
func TestWhatIsSent(t *testing.T) {
	s := play(t, shortPolicy)
	app := s.browser.open(appPage)
	app.fetch(api+"/plain", nil)
	got := s.service.got("/plain")
	if len(got) != 1 || got[0].Header.Get("Origin") != "https://app.example.com" || got[0].Header.Get("Sec-Fetch-Mode") != "cors" {
		t.Fatalf("the service got %v", got)
	}
	r := app.fetch(api+"/none", fields{"method": "PUT", "credentials": "include", "headers": fields{"X-Custom": "1", "Content-Type": "application/json"}})
	if r.Failed != "PreflightMissingAllowOriginHeader" {
		t.Errorf("without a policy: %+v", r)
	}
	got = s.service.got("/none")
	if len(got) != 1 || got[0].Method != "OPTIONS" {
		t.Fatalf("the service got %v", got)
	}
	for name, want := range map[string]string{
		"Origin": "https://app.example.com", "Access-Control-Request-Method": "PUT",
		"Access-Control-Request-Headers": "content-type,x-custom", "Cookie": "", "X-Custom": "",
	} {
		if v := got[0].Header.Get(name); v != want {
			t.Errorf("%s of the preflight: %q, want %q", name, v, want)
		}
	}
}

// TestPolicyUpdate shows that a browser keeps to the policy that it remembers
// until max-age is over, while the gateway follows the file at once.
func TestPolicyUpdate(t *testing.T) {
	s := play(t, shortPolicy)
	app := s.browser.open(appPage)
	put := fields{"method": "PUT"}
	if r := app.fetch(api+"/api", put); r.Status != 200 {
		t.Fatalf("before the change: %+v", r)
	}
	s.change(t, strings.ReplaceAll(shortPolicy, "[GET, POST, PUT, PATCH, DELETE]", "[GET]"))
	if r := app.fetch(api+"/api", put); r.Status != 200 {
		t.Errorf("a remembered preflight: %+v", r)
	}
	if r := app.fetch(api+"/api/other", put); r.Failed != "PreflightMissingAllowOriginHeader" {
		t.Errorf("a new preflight: %+v", r)
	}
}
