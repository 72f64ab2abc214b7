package engine

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	faultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"sigs.k8s.io/yaml"

	"github.com/crossgate/crossgate/internal/xds"
)

// pipes is a network without sockets, so that its time can be that of a synctest
// bubble. Services answer at once what serve makes of the request.
type pipes struct {
	t        *testing.T
	engine   *Engine
	log      *syncBuffer
	clients  chan net.Conn
	done     chan struct{}
	services sync.WaitGroup
	// serve handles a connection to the address of a service.
	serve func(address string, c net.Conn)
}

// syncBuffer is a log that may be read meanwhile.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.clients:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.done:
	default:
		close(p.done)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// startPipes runs the bootstrap; every request is logged as "path code flags
// details".
func startPipes(t *testing.T, routes, clusters string, serve func(string, net.Conn)) *pipes {
	t.Helper()
	p := &pipes{t: t, clients: make(chan net.Conn), done: make(chan struct{}), log: &syncBuffer{}, serve: serve}
	p.engine = New(Options{
		Stdout: p.log,
		Listen: func(context.Context, string, string) (net.Listener, error) { return p, nil },
		Dial: func(_ context.Context, _, address string) (net.Conn, error) {
			near, far := net.Pipe()
			p.services.Go(func() { p.serve(address, far) })
			return near, nil
		},
	})
	const log = `access_log: [{name: l, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog,
            log_format: {text_format_source: {inline_string: "%PATH% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n"}}}}]`
	text := strings.Replace(bootstrap(log, routes, clusters), "http_filters:\n",
		"http_filters:\n          - {name: envoy.filters.http.fault, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault}}\n", 1)
	s, diags := xds.LoadBootstrap("test.yaml", []byte(strings.ReplaceAll(text, "UP}", "80}")))
	diags = append(diags, p.engine.Publish(s)...)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return p
}

// end closes the engine and waits for everything.
func (p *pipes) end() {
	if err := p.engine.Close(); err != nil {
		p.t.Error(err)
	}
	p.services.Wait()
}

// dial opens a connection to the engine and sends the request.
func (p *pipes) dial(request string) net.Conn {
	near, far := net.Pipe()
	p.clients <- far
	if _, err := io.WriteString(near, request); err != nil {
		p.t.Error(err)
	}
	return near
}

// status reads an answer and returns its status; 0 for none.
func (p *pipes) status(c net.Conn) int {
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		p.t.Error(err)
	}
	return r.StatusCode
}

// answer200 answers every request of a connection.
func answer200(_ string, c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if _, err = io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		if _, err = io.WriteString(c, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"); err != nil {
			return
		}
	}
}

const slowRoutes = `
              - match: {prefix: /quick}
                route: {cluster: up}
                typed_per_filter_config: {envoy.filters.http.fault: {"@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, delay: {fixed_delay: 0.1s, percentage: {numerator: 100}}}}
              - match: {prefix: /idle}
                route: {cluster: up, idle_timeout: 60s}
                typed_per_filter_config: {envoy.filters.http.fault: {"@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, delay: {fixed_delay: 600s, percentage: {numerator: 100}}}}
              - match: {prefix: /}
                route: {cluster: up, idle_timeout: 0s, timeout: 1s}
                typed_per_filter_config: {envoy.filters.http.fault: {"@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault, delay: {fixed_delay: 600s, percentage: {numerator: 100}}}}
`

// TestDelay: a delayed request waits as long as it is told to, whatever the route's
// timeout is, and on a connection that is idle for longer than others may be.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPipes(t, slowRoutes, "", answer200)
		defer p.end()
		begun := time.Now()
		c := p.dial("GET /one HTTP/1.1\r\nHost: a.test\r\n\r\n")
		defer c.Close()
		if status := p.status(c); status != 200 {
			t.Errorf("answered %d", status)
		}
		if took := time.Since(begun); took != 10*time.Minute {
			t.Errorf("answered after %v, want 10m", took)
		}
		// Nothing of the first request's limits is left for the second.
		if _, err := io.WriteString(c, "GET /two HTTP/1.1\r\nHost: a.test\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if status := p.status(c); status != 200 || time.Since(begun) != 20*time.Minute {
			t.Errorf("the second: %d after %v", status, time.Since(begun))
		}
	})
}

// TestDelayEndsEarly: with the stream's idle timeout, with the client, and with the
// engine.
func TestDelayEndsEarly(t *testing.T) {
	for name, tt := range map[string]struct {
		request string
		end     func(*pipes, net.Conn)
		after   time.Duration
		log     string
	}{
		"idle":          {"GET /idle HTTP/1.1\r\nHost: a.test\r\n\r\n", nil, time.Minute, "/idle 504 DI,SI stream_idle_timeout\n"},
		"idle, body":    {"POST /idle HTTP/1.1\r\nHost: a.test\r\ncontent-length: 3\r\n\r\nabc", nil, time.Minute, "/idle 504 DI,SI stream_idle_timeout\n"},
		"idle, half":    {"POST /idle HTTP/1.1\r\nHost: a.test\r\ncontent-length: 9\r\n\r\nabc", nil, time.Minute, "/idle 408 DI,SI stream_idle_timeout\n"},
		"client leaves": {"GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n", func(_ *pipes, c net.Conn) { _ = c.Close() }, 3 * time.Second, "/x 0 DI,DC downstream_remote_disconnect\n"},
		"engine closes": {"GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n", func(p *pipes, _ net.Conn) { _ = p.engine.Close() }, 3 * time.Second, "/x 0 DI,DC downstream_remote_disconnect\n"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := startPipes(t, slowRoutes, "", func(string, net.Conn) { t.Error("the service was asked") })
				begun := time.Now()
				c := p.dial(tt.request)
				defer c.Close()
				if tt.end != nil {
					time.AfterFunc(tt.after, func() { tt.end(p, c) })
				}
				p.status(c)
				if took := time.Since(begun); took != tt.after {
					t.Errorf("ended after %v, want %v", took, tt.after)
				}
				synctest.Wait()
				p.end()
				if got := p.log.String(); got != tt.log {
					t.Errorf("logged %q, want %q", got, tt.log)
				}
			})
		})
	}
}

// TestDrainWaitsForDelays: a request that is delayed is one under way.
func TestDrainWaitsForDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPipes(t, slowRoutes, "", answer200)
		defer p.end()
		c := p.dial("GET /one HTTP/1.1\r\nHost: a.test\r\n\r\n")
		defer c.Close()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := p.engine.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("drained with %v while a request was delayed", err)
		}
		if status := p.status(c); status != 200 {
			t.Errorf("answered %d", status)
		}
		if err := p.engine.Drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestDelayWithPipeline: what the client sends beyond a delayed request, more than a
// buffer holds, is served after it, in its order.
func TestDelayWithPipeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 300
		p := startPipes(t, slowRoutes, "", answer200)
		defer p.end()
		begun := time.Now()
		c := p.dial("POST /quick/0 HTTP/1.1\r\nHost: a.test\r\ncontent-length: 20000\r\n\r\n")
		defer c.Close()
		go func() {
			rest := strings.Repeat("x", 20000)
			for i := range n {
				rest += fmt.Sprintf("GET /quick/%d HTTP/1.1\r\nHost: a.test\r\nx-pad: %s\r\n\r\n", i+1, strings.Repeat("p", 200))
			}
			_, _ = io.WriteString(c, rest)
		}()
		in := bufio.NewReader(c)
		for i := range n + 1 {
			r, err := http.ReadResponse(in, nil)
			if err != nil || r.StatusCode != 200 {
				t.Fatalf("answer %d: %v %v", i, r, err)
			}
			_, _ = io.Copy(io.Discard, r.Body)
		}
		if took := time.Since(begun); took != (n+1)*100*time.Millisecond {
			t.Errorf("answered after %v", took)
		}
		if _, err := io.WriteString(c, "GET /quick/last HTTP/1.1\r\nHost: a.test\r\nconnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if r, err := http.ReadResponse(in, nil); err != nil || r.StatusCode != 200 {
			t.Fatalf("the last answer: %v %v", r, err)
		}
		_ = c.Close()
		synctest.Wait()
		p.end()
		var want strings.Builder
		for i := range n + 1 {
			fmt.Fprintf(&want, "/quick/%d 200 DI via_upstream\n", i)
		}
		if got := p.log.String(); got != want.String()+"/quick/last 200 DI via_upstream\n" {
			t.Errorf("logged:\n%s", got)
		}
	})
}

// TestFaultsAreRefused: what the engine does not do, and what Envoy does not load.
func TestFaultsAreRefused(t *testing.T) {
	for fault, want := range map[string]string{
		`response_rate_limit: {fixed_limit: {limit_kbps: 1}, percentage: {numerator: 100}}`: "response_rate_limit: this field of HTTPFault is not supported",
		`filter_metadata: {a: b}`:                              "filter_metadata: this field of HTTPFault is not supported",
		`delay: {percentage: {numerator: 100}}`:                "delay: neither fixed_delay nor header_delay is set",
		`delay: {fixed_delay: 0s}`:                             "delay: fixed_delay must be greater than 0",
		`abort: {http_status: 100}`:                            "abort: http_status must be between 200 and 599",
		`abort: {percentage: {numerator: 100}}`:                "abort: none of http_status, grpc_status and header_abort is set",
		`headers: [{name: x, safe_regex_match: {regex: "("}}]`: "headers[0]: ",
	} {
		f := &faultv3.HTTPFault{}
		text, err := yaml.YAMLToJSON([]byte("{" + fault + "}"))
		if err == nil {
			err = protojson.Unmarshal(text, f)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err = unsupported(f); err == nil {
			_, err = compileFault(f, nil)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", fault, err, want)
		}
	}
}

// TestLargeShareOfAHeader: a share that is far above the whole is the whole.
func TestLargeShareOfAHeader(t *testing.T) {
	f := faultShare{header: "x-share", numerator: math.MaxUint32, unit: oneMillion / 100}
	s := &stream{}
	s.req.Headers.Add([]byte("x-share"), []byte("429497"))
	for range 100 {
		if !f.draw(s) {
			t.Fatal("a request has no fault")
		}
	}
}
