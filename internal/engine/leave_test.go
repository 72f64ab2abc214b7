package engine

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// pausing is a service that answers with the path after so many milliseconds as the
// path says; "never" is no number. left is told of connections that have ended.
type pausing struct {
	port  int
	begun chan struct{}
	left  chan struct{}
}

func servePauses(t *testing.T) *pausing {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &pausing{ln.Addr().(*net.TCPAddr).Port, make(chan struct{}, 10_000), make(chan struct{}, 10_000)}
	var tasks sync.WaitGroup
	tasks.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			tasks.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		tasks.Wait()
	})
	return s
}

func (s *pausing) serve(c net.Conn) {
	defer c.Close()
	for r := bufio.NewReader(c); ; {
		req, err := http.ReadRequest(r)
		if err != nil {
			s.left <- struct{}{}
			return
		}
		s.begun <- struct{}{}
		var ms int
		if _, err := fmt.Sscanf(req.URL.Path, "/%d", &ms); err != nil {
			continue // the next read ends with the connection
		}
		time.Sleep(time.Duration(ms) * time.Millisecond)
		if _, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(req.URL.Path), req.URL.Path); err != nil {
			return
		}
	}
}

func (b *bench) through(s *pausing, config string) {
	b.publish(strings.ReplaceAll(config, "UP}", fmt.Sprint(s.port, "}")))
}

// TestWatchedClientsGetTheirAnswers: requests of which some wait long enough to be
// watched, on connections that live on; bytes of the next request that come early, in
// whole or in part, are neither lost nor taken for a leave.
func TestWatchedClientsGetTheirAnswers(t *testing.T) {
	s := servePauses(t)
	b := start(t, bootstrap("", plainRoute, ""))
	b.through(s, bootstrap("", plainRoute, ""))
	var clients sync.WaitGroup
	for i := range 40 {
		clients.Go(func() {
			c, err := net.Dial("tcp", b.addr())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			r := bufio.NewReader(c)
			random := rand.New(rand.NewPCG(uint64(i), 1))
			next := func() string { return fmt.Sprintf("/%d", random.IntN(350)) }
			path := next()
			rest := "GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n"
			for n := range 6 {
				after := next()
				following := "GET " + after + " HTTP/1.1\r\nHost: a\r\n\r\n"
				cut := 0
				if n < 5 {
					cut = random.IntN(len(following) + 1)
				}
				if _, err := io.WriteString(c, rest); err != nil {
					t.Error(err)
					return
				}
				if cut > 0 {
					time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
					if _, err := io.WriteString(c, following[:cut]); err != nil {
						t.Error(err)
						return
					}
				}
				resp, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Errorf("client %d, request %d: %v", i, n, err)
					return
				}
				if body, err := io.ReadAll(resp.Body); err != nil || string(body) != path {
					t.Errorf("client %d, request %d: %d %q %v, want %s", i, n, resp.StatusCode, body, err, path)
				}
				path, rest = after, following[cut:]
			}
		})
	}
	clients.Wait()
}

// TestAWatchIsNoIdleTime: the limit of idle clients does not end a watch, nor a watch
// the connection.
func TestAWatchIsNoIdleTime(t *testing.T) {
	s := servePauses(t)
	config := bootstrap("common_http_protocol_options: {idle_timeout: 0.3s}", plainRoute, "")
	b := start(t, config)
	b.through(s, config)
	if r := b.dial().Do([]byte("GET /700 HTTP/1.1\r\nHost: a\r\n\r\n"), "GET"); r.Status != 200 || string(r.Body) != "/700" {
		t.Errorf("%+v", r)
	}
}

// TestClientsThatLeaveOverTLS: a watch needs no look into the TLS.
func TestClientsThatLeaveOverTLS(t *testing.T) {
	s := servePauses(t)
	config := strings.ReplaceAll(secure(t, "a.test"), "direct_response: {status: 200}", "route: {cluster: up, timeout: 0s}") + `
  clusters:
  - {name: up, type: STATIC, load_assignment: {cluster_name: up, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: UP}}}}]}]}}
`
	b := start(t, config)
	b.through(s, config)
	c, err := tls.Dial("tcp", b.addr(), &tls.Config{ServerName: "a.test", InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/250", "/never"} {
		if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: a.test\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		<-s.begun
		if path == "/250" {
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || resp.StatusCode != 200 {
				t.Fatal(resp, err)
			}
		}
	}
	time.Sleep(3 * sweepInterval)
	_ = c.Close()
	select {
	case <-s.left:
	case <-time.After(5 * time.Second):
		t.Error("the request to the service goes on without its client")
	}
}

// TestCloseEndsAWatch: an engine that is closed while clients wait.
func TestCloseEndsAWatch(t *testing.T) {
	s := servePauses(t)
	b := start(t, bootstrap("", plainRoute, ""))
	b.through(s, bootstrap("", plainRoute, ""))
	c, err := net.Dial("tcp", b.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /never HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-s.begun
	time.Sleep(3 * sweepInterval)
	began := time.Now()
	if err := b.engine.Close(); err != nil {
		t.Error(err)
	}
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("closing took %v", d)
	}
}
