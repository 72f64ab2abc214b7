package examples

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crossgate/crossgate/internal/advise"
	"github.com/crossgate/crossgate/test/envoy"
)

// completeExample is the guide's document 14 as it stands, with what a user adds to
// run it here.
var completeExample = []string{
	"test/analyze/testdata/14-complete-example.yaml", "--dev-certs", "--upstream", "api-service.production:8080=127.0.0.1:3000",
}

// TestCompleteExample serves the guide's complete example unchanged, HTTPS in front
// and HTTP/2 with prior knowledge behind, on the engine and on Envoy.
func TestCompleteExample(t *testing.T) {
	s := newSandbox(t)
	backend := newService(t, true)
	s.backend = backend.addr
	stop := s.serve(t, completeExample)
	completeExampleAnswers(t, s, backend)
	stop()
	bin := envoy.Require(t)
	s.serveEnvoy(t, bin, completeExample)
	completeExampleAnswers(t, s, backend)
}

// TestCompleteExampleHTTP1Service: h2UpgradePolicy UPGRADE makes no attempt at what the
// service speaks, so that one of HTTP/1.1 alone cannot be reached.
func TestCompleteExampleHTTP1Service(t *testing.T) {
	s := newSandbox(t)
	s.backend = newService(t, false).addr
	stop := s.serve(t, completeExample)
	get := func() int { return s.https(t, http.MethodGet, "/health", nil, true).StatusCode }
	ours := get()
	stop()
	said := ""
	for line := range strings.Lines(s.output()) {
		if strings.Contains(line, "does not speak HTTP/2") {
			said += line
		}
	}
	if n := strings.Count(said, "\n"); n != 1 || !strings.Contains(said, "position="+upgradePosition(t)) {
		t.Errorf("%d lines of the log tell why, want one with %s:\n%s", n, upgradePosition(t), said)
	}
	if ours != http.StatusBadGateway {
		t.Errorf("engine: status %d, want 502", ours)
	}
	bin := envoy.Require(t)
	s.serveEnvoy(t, bin, completeExample)
	if theirs := get(); theirs != ours {
		t.Errorf("Envoy answers %d, the engine %d", theirs, ours)
	}
}

// TestCompleteExampleHTTP1ServiceExplained: explain tells which line asks for HTTP/2 and how
// requests end at a service that speaks HTTP/1.1 alone, as the engine and Envoy log it; of a
// gateway that runs it knows that this has happened.
func TestCompleteExampleHTTP1ServiceExplained(t *testing.T) {
	filter := filepath.Join(t.TempDir(), "log.yaml")
	write(t, filter, []byte(logOfEndings))
	args := append([]string{filter}, completeExample...)
	s := newSandbox(t)
	s.backend = newService(t, false).addr
	calls := []string{"/health", "/api/users"} // without and with retries
	explained := make([]advise.Service, len(calls))
	for i, path := range calls {
		explained[i] = s.explainService(t, "https://api.example.com"+path, args)
		if explained[i].Position != upgradePosition(t) || explained[i].Setting != "h2UpgradePolicy: UPGRADE" || explained[i].HTTP1 == nil {
			t.Fatalf("%s: %+v, want %s", path, explained[i], upgradePosition(t))
		}
	}
	for _, plane := range []string{"engine", "envoy"} {
		t.Run(plane, func(t *testing.T) {
			url := "https://api.example.com" + calls[0]
			if plane == "engine" {
				s.serve(t, args)
			} else {
				s.serveEnvoy(t, envoy.Require(t), args)
				url = fmt.Sprintf("https://api.example.com:%d%s", 8443+s.offset, calls[0]) // all that a bootstrap knows
			}
			if got := s.explainService(t, url, nil).ProtocolErrors; got != 0 {
				t.Errorf("before all requests %d connections had failed", got)
			}
			for _, path := range calls {
				s.https(t, http.MethodGet, path, map[string]string{"Origin": "https://app.example.com"}, true)
			}
			for i, line := range s.logged(t, len(calls)) {
				e := explained[i].HTTP1
				if want := fmt.Sprintf("logged GET %s %d %s %s ", calls[i], e.Status, e.Flags, e.Details); !strings.HasPrefix(line, want) {
					t.Errorf("explained was %q, logged is %q", want, line)
				}
			}
			// One of the first request, four of the other with its three retries.
			if got := s.explainService(t, url, nil); got.ProtocolErrors != 5 {
				t.Errorf("%+v, want 5 connections that failed", got)
			}
		})
	}
}

// explainService is what explain tells of the service of a GET, of files or, without any, of
// the gateway that runs.
func (s *sandbox) explainService(t *testing.T, url string, files []string) advise.Service {
	t.Helper()
	args := append([]string{"explain", "-o", "json", "--origin", "https://app.example.com", "--url", url}, s.args(files)...)
	cmd := s.command(s.bin, args...)
	out, err := cmd.Output()
	var e advise.Explanation
	if json.Unmarshal(out, &e) != nil || len(e.Hops) != 1 || e.Hops[0].Service == nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
	return *e.Hops[0].Service
}

// upgradePosition is where the complete example asks for HTTP/2 to its service, as
// file:line:column.
func upgradePosition(t *testing.T) string {
	t.Helper()
	file := completeExample[0]
	n := 0
	for line := range strings.Lines(read(t, file)) {
		n++
		if before, _, found := strings.Cut(line, "UPGRADE"); found && strings.Contains(before, "h2UpgradePolicy:") {
			return fmt.Sprintf("%s:%d:%d", file, n, len(before)+1)
		}
	}
	t.Fatal("the example has no h2UpgradePolicy")
	return ""
}

// service is a backend that fails the first two requests for /api/flaky of a name.
type service struct {
	addr  string
	http1 atomic.Int64 // requests that did not come over HTTP/2
	tries atomic.Int64
}

// newService starts a service that speaks HTTP/2 without TLS, or HTTP/1.1 alone.
func newService(t *testing.T, h2c bool) *service {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &service{addr: l.Addr().String()}
	var protocols http.Protocols
	protocols.SetHTTP1(!h2c)
	protocols.SetUnencryptedHTTP2(h2c)
	srv := &http.Server{Handler: s, Protocols: &protocols, ReadHeaderTimeout: 10 * time.Second}
	go srv.Serve(l) //nolint:errcheck // it ends with the test
	t.Cleanup(func() { srv.Close() })
	return s
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor != 2 {
		s.http1.Add(1)
	}
	if r.URL.Path == "/api/flaky" && s.tries.Add(1) <= 2 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("x-total-count", "3")
	io.WriteString(w, r.Method+" "+r.URL.Path) //nolint:errcheck // the gateway went away
}

// https sends a request to the gateway's port 443 as a browser would.
func (s *sandbox) https(t *testing.T, method, path string, header map[string]string, http2 bool) *http.Response {
	t.Helper()
	var protocols http.Protocols
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2)
	tr := &http.Transport{
		Protocols: &protocols,
		// Whose certificate it is is looked at below.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", strconv.Itoa(8443+s.offset)))
		},
	}
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, "https://api.example.com"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	res.Body = io.NopCloser(strings.NewReader(string(body)))
	if err := res.TLS.PeerCertificates[0].VerifyHostname("api.example.com"); err != nil {
		t.Error(err)
	}
	if got := res.ProtoMajor; (got == 2) != http2 {
		t.Errorf("%s %s: HTTP/%d", method, path, got)
	}
	return res
}

func completeExampleAnswers(t *testing.T, s *sandbox, backend *service) {
	t.Helper()
	const app = "https://app.example.com"
	for _, http2 := range []bool{false, true} {
		backend.tries.Store(0)
		for _, c := range []struct {
			method, path string
			header       map[string]string
			want         map[string]string // headers; "" is none
			body         string
		}{
			{
				"OPTIONS", "/api/users",
				map[string]string{"Origin": app, "Access-Control-Request-Method": "PUT"},
				map[string]string{
					"Access-Control-Allow-Origin": app, "Access-Control-Allow-Methods": "GET,POST,PUT,PATCH,DELETE",
					"Access-Control-Max-Age": "86400", "Access-Control-Allow-Credentials": "true",
				},
				"",
			},
			{
				"GET", "/api/users",
				map[string]string{"Origin": app},
				map[string]string{"Access-Control-Allow-Origin": app, "X-Frame-Options": "DENY", "X-Total-Count": "3"},
				"GET /api/users",
			},
			{"GET", "/api/flaky", nil, map[string]string{"Strict-Transport-Security": "max-age=31536000"}, "GET /api/flaky"},
			{"GET", "/health", map[string]string{"Origin": app}, map[string]string{"Access-Control-Allow-Origin": "", "X-Frame-Options": ""}, "GET /health"},
			{"GET", "/ready", nil, nil, "GET /ready"},
		} {
			res := s.https(t, c.method, c.path, c.header, http2)
			body, _ := io.ReadAll(res.Body)
			if res.StatusCode != http.StatusOK || string(body) != c.body {
				t.Errorf("%s %s: %s %q", c.method, c.path, res.Status, body)
			}
			for name, want := range c.want {
				if got := res.Header.Get(name); got != want {
					t.Errorf("%s %s: %s: %q, want %q", c.method, c.path, name, got, want)
				}
			}
		}
		if n := backend.tries.Load(); n != 3 {
			t.Errorf("/api/flaky reached the service %d times, want 3", n)
		}
	}
	if n := backend.http1.Load(); n != 0 {
		t.Errorf("%d requests came over HTTP/1.1", n)
	}
}
