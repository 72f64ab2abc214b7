package square

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crossgate/crossgate/test/rawhttp"
)

const leaveBootstrap = mainListener + `          route_config: {name: r, virtual_hosts: [{name: v, domains: ["*"], routes: [
            {match: {prefix: /again}, route: {cluster: up, timeout: 0s, retry_policy: {retry_on: "5xx,reset,connect-failure", num_retries: 3}}},
            {match: {prefix: /}, route: {cluster: up, timeout: 0s}}]}]}
          access_log:
          - name: envoy.access_loggers.stdout
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
              log_format: {text_format_source: {inline_string: "LOG %%REQ(:PATH)%% %%RESPONSE_CODE%% %%RESPONSE_FLAGS%% %%RESPONSE_CODE_DETAILS%% %%BYTES_RECEIVED%% %%BYTES_SENT%%\n"}}
  clusters:
  - {name: up, type: STATIC, connect_timeout: 1s, circuit_breakers: {thresholds: [{max_connections: %d, max_pending_requests: 1}]}, load_assignment: {cluster_name: up, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %d}}}}]}]}}
`

// leftService never ends an answer; it tells when the proxy has closed its
// connection.
type leftService struct {
	port   int
	begun  chan string // the request lines
	closed chan struct{}
}

func serveLeft(t *testing.T) *leftService {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	s := &leftService{port: ln.Addr().(*net.TCPAddr).Port, begun: make(chan string, 100), closed: make(chan struct{}, 100)}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go s.serve(c)
		}
	}()
	return s
}

func (s *leftService) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	line, err := r.ReadString('\n')
	if err != nil {
		return
	}
	if strings.Contains(line, "/begun") {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
	}
	s.begun <- strings.TrimSpace(line)
	_, _ = io.Copy(io.Discard, r)
	s.closed <- struct{}{}
}

const leftHost = " HTTP/1.1\r\nHost: a.test\r\n"

// TestClientsThatLeave compares what becomes of a request whose client goes away while
// the service takes its time: the service's connection ends at once, and the log
// tells.
func TestClientsThatLeave(t *testing.T) {
	for _, tt := range []struct {
		name, send string
		leave      func(*net.TCPConn) error
	}{
		{"closes", "GET /" + leftHost + "\r\n", (*net.TCPConn).Close},
		{"closes its half", "GET /half" + leftHost + "\r\n", (*net.TCPConn).CloseWrite},
		{"resets", "GET /reset" + leftHost + "\r\n", func(c *net.TCPConn) error {
			if err := c.SetLinger(0); err != nil {
				return err
			}
			return c.Close()
		}},
		{"has sent another request", "GET /two" + leftHost + "\r\nGET /next" + leftHost + "\r\n", (*net.TCPConn).Close},
		{"has sent half of another", "GET /part" + leftHost + "\r\nGET /next HT", (*net.TCPConn).Close},
		{"has sent a body", "POST /body" + leftHost + "Content-Length: 5\r\n\r\nhello", (*net.TCPConn).Close},
		{"sends a body", "POST /upload" + leftHost + "Content-Length: 500\r\n\r\nhello", (*net.TCPConn).Close},
		{"sends chunks", "POST /chunks" + leftHost + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", (*net.TCPConn).Close},
		{"has the head of the answer", "GET /begun" + leftHost + "\r\n", (*net.TCPConn).Close},
		{"would have it retried", "GET /again" + leftHost + "\r\n", (*net.TCPConn).Close},
	} {
		for _, pause := range []time.Duration{0, 400 * time.Millisecond} {
			t.Run(fmt.Sprint(tt.name, " after ", pause), func(t *testing.T) {
				t.Parallel()
				service := serveLeft(t)
				corners, err := start(planesOf(t), t.TempDir(), fmt.Appendf(nil, leaveBootstrap, 100, service.port), rawhttp.NewDesk())
				if err != nil {
					t.Fatal(err)
				}
				var seen []string
				for _, c := range corners {
					seen = append(seen, leaves(t, c, service, tt.send, pause, tt.leave))
				}
				if err := stop(corners); err != nil {
					t.Error(err)
				}
				addLogs(seen, corners)
				same(t, seen)
			})
		}
	}
}

func leaves(t *testing.T, c *Corner, service *leftService, send string, pause time.Duration, leave func(*net.TCPConn) error) string {
	t.Helper()
	nc, err := net.Dial("tcp", c.addrs[c.first])
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := io.WriteString(nc, send); err != nil {
		t.Fatal(err)
	}
	seen := []string{<-service.begun}
	time.Sleep(pause)
	if err := leave(nc.(*net.TCPConn)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-service.closed:
		seen = append(seen, "closed")
	case <-time.After(5 * time.Second):
		seen = append(seen, "still open")
	}
	time.Sleep(100 * time.Millisecond) // what should not come would come now
	for len(service.begun) > 0 {
		seen = append(seen, <-service.begun)
	}
	return strings.Join(slices.Compact(seen), ", ")
}

// TestClientsThatLeaveTheQueue: a request that waits for a connection makes room for
// another one when its client goes away.
func TestClientsThatLeaveTheQueue(t *testing.T) {
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2"} {
		t.Run(protocol, func(t *testing.T) {
			service := serveLeft(t)
			corners, err := start(planesOf(t), t.TempDir(), fmt.Appendf(nil, leaveBootstrap, 1, service.port), rawhttp.NewDesk())
			if err != nil {
				t.Fatal(err)
			}
			var seen []string
			for _, c := range corners {
				seen = append(seen, leavesQueue(t, c, service, protocol == "HTTP/2"))
			}
			if err := stop(corners); err != nil {
				t.Error(err)
			}
			addLogs(seen, corners)
			same(t, seen)
		})
	}
}

// addLogs adds the log lines of the corners to what was seen of them.
func addLogs(seen []string, corners []*Corner) {
	for i, c := range corners {
		for line := range strings.Lines(c.proc.Output()) {
			if strings.HasPrefix(line, "LOG ") {
				seen[i] += " " + strings.TrimSpace(line)
			}
		}
	}
}

func leavesQueue(t *testing.T, c *Corner, service *leftService, overHTTP2 bool) string {
	t.Helper()
	ask := func(path string) net.Conn {
		if overHTTP2 {
			h, err := c.dialHTTP2("")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.send([][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "a.test"}, {":path", path}}, nil); err != nil {
				t.Fatal(err)
			}
			return h
		}
		nc, err := net.Dial("tcp", c.addrs[c.first])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(nc, "GET "+path+leftHost+"\r\n"); err != nil {
			t.Fatal(err)
		}
		return nc
	}
	first := ask("/first")
	<-service.begun
	second := ask("/second")
	time.Sleep(400 * time.Millisecond)
	_ = second.Close()
	time.Sleep(400 * time.Millisecond)
	third := ask("/third")
	time.Sleep(200 * time.Millisecond) // it is refused at once if there is no room
	_ = first.Close()
	defer third.Close()
	select {
	case line := <-service.begun: // the third has the connection now
		return line
	case <-time.After(2 * time.Second):
		return "the third request was refused"
	}
}
