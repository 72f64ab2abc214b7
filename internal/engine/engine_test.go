package engine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/crossgate/crossgate/internal/xds"
	"github.com/crossgate/crossgate/test/rawhttp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is an engine in front of an upstream.
type bench struct {
	t      *testing.T
	engine *Engine
	desk   *rawhttp.Desk
	up     *rawhttp.Upstream
	log    *bytes.Buffer
}

// hcm is a connection manager with the given virtual hosts; UP is the upstream's
// port.
const hcm = `
static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          %s
          http_filters:
          - name: envoy.filters.http.cors
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors}
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config:
            name: r
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
%s
  clusters:
  - name: up
    type: STATIC
    load_assignment: {cluster_name: up, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: UP}}}}]}]}
%s
`

const plainRoute = `
              - match: {prefix: /}
                route: {cluster: up}
`

func bootstrap(options, routes, clusters string) string {
	return fmt.Sprintf(hcm, options, routes, clusters)
}

func start(t *testing.T, config string) *bench {
	t.Helper()
	desk := rawhttp.NewDesk()
	up, err := rawhttp.Listen("up", desk)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, desk: desk, up: up, log: &bytes.Buffer{}}
	b.engine = New(Options{Stdout: b.log})
	t.Cleanup(func() {
		if err := b.engine.Close(); err != nil {
			t.Error(err)
		}
		up.Close()
	})
	b.publish(config)
	return b
}

func (b *bench) snapshot(config string) *xds.Snapshot {
	b.t.Helper()
	config = strings.ReplaceAll(config, "UP}", fmt.Sprint(b.up.Port(), "}"))
	s, diags := xds.LoadBootstrap("test.yaml", []byte(config))
	if diags.HasErrors() {
		b.t.Fatal(diags)
	}
	return s
}

func (b *bench) publish(config string) {
	b.t.Helper()
	if diags := b.engine.Publish(b.snapshot(config)); diags.HasErrors() {
		b.t.Fatal(diags)
	}
}

func (b *bench) addr() string {
	b.t.Helper()
	l := b.engine.Listeners()
	if len(l) == 0 {
		b.t.Fatal("no listener")
	}
	return l[0].Addr.String()
}

func (b *bench) dial() *rawhttp.Conn {
	b.t.Helper()
	c, err := rawhttp.Dial(b.addr(), 5*time.Second)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = c.Close() })
	return c
}

func get(path, fields string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: a.test\r\n" + fields + "\r\n")
}

func TestKeepAliveAndPipelining(t *testing.T) {
	b := start(t, bootstrap("", plainRoute, ""))
	c := b.dial()
	for i := range 3 {
		if r := c.Do(get("/", ""), "GET"); r.Status != 200 || string(r.Body) != rawhttp.DefaultBody {
			t.Fatalf("request %d: %+v", i, r)
		}
	}
	pipelined := append(get("/one", ""), get("/two", "")...)
	if r := c.Do(pipelined, "GET"); r.Status != 200 {
		t.Fatalf("first of two: %+v", r)
	}
	if r := c.Do(nil, "GET"); r.Status != 200 {
		t.Fatalf("second of two: %+v", r)
	}
}

func TestBodiesOfAllFramings(t *testing.T) {
	b := start(t, bootstrap("", plainRoute, ""))
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	for _, size := range []int{0, 1, 5000, 40_000, len(big)} {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprint(size, " chunked ", chunked), func(t *testing.T) {
				id := t.Name()
				b.desk.Expect(id, rawhttp.Plan{Body: big[:size], Chunked: chunked})
				head := "POST /p HTTP/1.1\r\nHost: a.test\r\n" + rawhttp.IDHeader + ": " + id + "\r\n"
				body := fmt.Sprintf("Content-Length: %d\r\n\r\n%s", size, big[:size])
				if chunked {
					body = "Transfer-Encoding: chunked\r\n\r\n"
					for rest := big[:size]; len(rest) > 0; {
						n := min(len(rest), 7001)
						body += fmt.Sprintf("%x\r\n%s\r\n", n, rest[:n])
						rest = rest[n:]
					}
					body += "0\r\n\r\n"
				}
				c := b.dial()
				r := c.Do([]byte(head+body), "POST")
				if r.Status != 200 || !bytes.Equal(r.Body, big[:size]) {
					t.Fatalf("answer: %d with %d bytes, end %q", r.Status, len(r.Body), r.End)
				}
				seen := b.desk.Take(id)
				if len(seen) != 1 || !bytes.Equal(seen[0].Body, big[:size]) {
					t.Fatalf("the service saw %d requests", len(seen))
				}
				if r := c.Do(get("/again", ""), "GET"); r.Status != 200 {
					t.Errorf("the connection is not usable any more: %+v", r)
				}
			})
		}
	}
}

func TestRetryReplaysTheBody(t *testing.T) {
	b := start(t, bootstrap("", `
              - match: {prefix: /}
                route: {cluster: up, retry_policy: {retry_on: "5xx", num_retries: 2, retry_back_off: {base_interval: 0.001s}}}
`, ""))
	body := strings.Repeat("x", 100_000)
	for _, failStatus := range []int{0, 503} {
		id := fmt.Sprint("retry", failStatus)
		b.desk.Expect(id, rawhttp.Plan{FailFirst: 2, FailStatus: failStatus})
		c := b.dial()
		r := c.Do(fmt.Appendf(nil, "POST / HTTP/1.1\r\nHost: a.test\r\n%s: %s\r\nContent-Length: %d\r\n\r\n%s", rawhttp.IDHeader, id, len(body), body), "POST")
		if r.Status != 200 {
			t.Errorf("fail status %d: %+v", failStatus, r)
		}
		seen := b.desk.Take(id)
		if len(seen) != 3 || string(seen[2].Body) != body {
			t.Errorf("fail status %d: %d attempts", failStatus, len(seen))
		}
	}
}

func TestAnswerBeforeTheBodyHasCome(t *testing.T) {
	b := start(t, bootstrap("", plainRoute, ""))
	b.desk.Expect("early", rawhttp.Plan{Raw: []byte("HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() { // answers as soon as the head is there, and reads no body
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		buf := make([]byte, 4096)
		_, _ = c.Read(buf)
		_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
		_, _ = io.Copy(io.Discard, c)
	}()
	b.publish(strings.ReplaceAll(bootstrap("", plainRoute, ""), "UP}", fmt.Sprint(ln.Addr().(*net.TCPAddr).Port, "}")))
	c := b.dial()
	r := c.Do([]byte("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\nbegin"), "POST")
	if r.Status != 413 || string(r.Body) != "no" {
		t.Fatalf("%+v", r)
	}
	if r := c.Do(get("/", ""), "GET"); r.End == "" {
		t.Errorf("the connection took another request in the middle of a body: %+v", r)
	}
}

func TestTimeouts(t *testing.T) {
	b := start(t, bootstrap("", `
              - match: {prefix: /route}
                route: {cluster: up, timeout: 0.05s}
              - match: {prefix: /try}
                route: {cluster: up, retry_policy: {retry_on: "5xx", num_retries: 1, per_try_timeout: 0.05s}}
              - match: {prefix: /idle}
                route: {cluster: up, timeout: 0s, idle_timeout: 0.05s}
`, ""))
	for path, want := range map[string]string{"/route": "upstream request timeout", "/try": "upstream request timeout", "/idle": "stream timeout"} {
		b.desk.Expect(path, rawhttp.Plan{Sleep: 300 * time.Millisecond})
		r := b.dial().Do(get(path, rawhttp.IDHeader+": "+path+"\r\n"), "GET")
		if r.Status != 504 || string(r.Body) != want {
			t.Errorf("%s: %d %q, want 504 %q", path, r.Status, r.Body, want)
		}
	}
	if n := len(b.desk.Take("/try")); n != 2 {
		t.Errorf("/try was tried %d times, want 2", n)
	}
}

func TestARequestSeesOneVersion(t *testing.T) {
	version := func(v string) string {
		return bootstrap("", `
              - match: {prefix: /}
                route: {cluster: up}
                response_headers_to_add: [{header: {key: x-a, value: "`+v+`"}}, {header: {key: x-b, value: "`+v+`"}}]
`, "")
	}
	b := start(t, version("0"))
	stop, done := make(chan struct{}), make(chan error, 4)
	for range 4 {
		c := b.dial()
		go func() {
			for {
				select {
				case <-stop:
					done <- nil
					return
				default:
				}
				r := c.Do(get("/", ""), "GET")
				a, _ := r.Fields.Get("x-a")
				bb, _ := r.Fields.Get("x-b")
				if r.Status != 200 || a != bb || a == "" {
					done <- fmt.Errorf("%d, x-a %q, x-b %q, end %q", r.Status, a, bb, r.End)
					return
				}
			}
		}()
	}
	for i := range 100 {
		b.publish(version(fmt.Sprint(i)))
	}
	close(stop)
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestDrainEndsIdleConnectionsAndAnswersTheRest(t *testing.T) {
	b := start(t, bootstrap("", plainRoute, ""))
	idle, busy := b.dial(), b.dial()
	if r := idle.Do(get("/", ""), "GET"); r.Status != 200 {
		t.Fatalf("%+v", r)
	}
	b.desk.Expect("slow", rawhttp.Plan{Sleep: 100 * time.Millisecond})
	answer := make(chan rawhttp.Response)
	go func() { answer <- busy.Do(get("/", rawhttp.IDHeader+": slow\r\n"), "GET") }()
	for b.desk.Seen("slow") == 0 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	drained := make(chan error)
	go func() { drained <- b.engine.Drain(ctx) }()
	if r := <-answer; r.Status != 200 {
		t.Errorf("the running request was not answered: %+v", r)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if _, err := idle.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("idle connection: %v, want EOF", err)
	}
}

func TestWebSocketTunnel(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		buf := make([]byte, 4096)
		_, _ = c.Read(buf)
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\nhello")
		_, _ = io.Copy(c, c)
	}()
	config := bootstrap("upgrade_configs: [{upgrade_type: websocket}]", plainRoute, "")
	b := start(t, strings.ReplaceAll(config, "UP}", fmt.Sprint(ln.Addr().(*net.TCPAddr).Port, "}")))
	c := b.dial()
	r := c.Do(get("/ws", "Connection: Upgrade\r\nUpgrade: websocket\r\n"), "GET")
	if r.Status != 101 {
		t.Fatalf("%+v", r)
	}
	if _, err := c.Write([]byte("ping")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 9)
	if _, err := io.ReadFull(c.Reader(), got); err != nil || string(got) != "helloping" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestNoSlotMeansOverflow: of three requests one has the only connection, one may
// wait for it, and one is refused.
func TestNoSlotMeansOverflow(t *testing.T) {
	b := start(t, strings.Replace(bootstrap("", plainRoute, ""), "    type: STATIC\n",
		"    type: STATIC\n    circuit_breakers: {thresholds: [{max_connections: 1, max_pending_requests: 1}]}\n", 1))
	b.desk.Expect("slow", rawhttp.Plan{Sleep: 200 * time.Millisecond})
	answers := make(chan rawhttp.Response)
	ask := func(headers string) {
		c := b.dial()
		go func() { answers <- c.Do(get("/", headers), "GET") }()
	}
	ask(rawhttp.IDHeader + ": slow\r\n")
	for b.desk.Seen("slow") == 0 {
		time.Sleep(time.Millisecond)
	}
	ask("")
	ask("")
	r := <-answers
	if v, _ := r.Fields.Get("x-envoy-overloaded"); r.Status != 503 || v != "true" {
		t.Errorf("%+v", r)
	}
	for range 2 {
		if r := <-answers; r.Status != 200 {
			t.Errorf("%+v", r)
		}
	}
}

func TestCloseEndsARequestThatWaits(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	came := make(chan net.Conn, 1)
	go func() { // takes the request and never answers
		if c, err := ln.Accept(); err == nil {
			_, _ = c.Read(make([]byte, 4096))
			came <- c
		}
	}()
	config := strings.ReplaceAll(plainRoute, "{cluster: up}", "{cluster: up, timeout: 0s}")
	b := start(t, strings.ReplaceAll(bootstrap("", config, ""), "UP}", fmt.Sprint(ln.Addr().(*net.TCPAddr).Port, "}")))
	c := b.dial()
	if _, err := c.Write(get("/", "")); err != nil {
		t.Fatal(err)
	}
	defer (<-came).Close()
	done := make(chan error)
	go func() { done <- b.engine.Close() }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Close waits for the service")
	}
}

// TestLogOfALateBody: what the log says of an answer's headers is what they were, also
// when the body came after them and took their place in the buffer.
func TestLogOfALateBody(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	const size = 100 // more would have a larger buffer of its own
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nx-test: the value\r\ncontent-length: %d\r\n\r\n", size)
			time.Sleep(20 * time.Millisecond)
			_, _ = c.Write(bytes.Repeat([]byte("b"), size))
			_ = c.Close()
		}
	}()
	config := bootstrap(`access_log: [{name: f, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: /dev/stdout,
            log_format: {text_format_source: {inline_string: "[%RESP(x-test)%]\n"}}}}]`, plainRoute, "")
	b := start(t, strings.ReplaceAll(config, "UP}", fmt.Sprint(ln.Addr().(*net.TCPAddr).Port, "}")))
	if r := b.dial().Do(get("/", ""), "GET"); r.Status != 200 || len(r.Body) != size {
		t.Fatalf("status %d, %d bytes", r.Status, len(r.Body))
	}
	if err := b.engine.Close(); err != nil {
		t.Fatal(err)
	}
	if got := b.log.String(); got != "[the value]\n" {
		t.Errorf("the log says %q", got)
	}
}
