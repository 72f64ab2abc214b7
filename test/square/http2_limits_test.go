package square

import (
	"fmt"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"

	"github.com/crossgate/crossgate/test/rawhttp"
)

// The limits of HTTP/2 that a test of one side cannot tell from other limits: the
// first route answers at once, the second never, the third connects to nobody.
const limitsBootstrap = mainListener + `          delayed_close_timeout: 0.05s
          route_config: {name: r, virtual_hosts: [{name: v, domains: ["*"], routes: [
            {match: {path: /silent}, route: {cluster: silent, timeout: 0s}},
            {match: {path: /nobody}, route: {cluster: nobody, timeout: 0s}},
            {match: {prefix: /}, direct_response: {status: 200, body: {inline_string: hi}}}]}]}
  clusters:
  - {name: silent, type: STATIC, connect_timeout: 1s, load_assignment: {cluster_name: silent, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %[2]d}}}}]}]}}
  - name: nobody
    type: STATIC
    connect_timeout: 1s
    %[1]s
    circuit_breakers: {thresholds: [{max_pending_requests: 3}]}
    load_assignment: {cluster_name: nobody, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: %[3]d}}}}]}]}
`

// silentService takes connections and says nothing.
func silentService(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var tasks sync.WaitGroup
	tasks.Go(func() {
		var taken []net.Conn
		for {
			c, err := ln.Accept()
			if err != nil {
				break
			}
			taken = append(taken, c)
		}
		for _, c := range taken {
			_ = c.Close()
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		tasks.Wait()
	})
	return ln.Addr().(*net.TCPAddr).Port
}

// nobody is a port that does not answer a connect: its queue is full.
func nobody(t *testing.T) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := name.(*syscall.SockaddrInet4).Port
	for range 8 {
		c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), 200*time.Millisecond)
		if err != nil {
			return port
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Fatal("the queue of connections does not become full")
	return 0
}

func limitsCorners(t *testing.T) []*Corner {
	t.Helper()
	b := newBench(t, planesOf(t))
	text := fmt.Sprintf(limitsBootstrap, speaksHTTP2, silentService(t), nobody(t))
	corners := b.corners(text)
	return corners
}

// TestPendingOverHTTP2 compares requests that wait for one connection to a host
// that does not answer: some are too many, the others fail together.
func TestPendingOverHTTP2(t *testing.T) {
	const requests = 8
	var all [][]string
	corners := limitsCorners(t)
	for _, c := range corners {
		answers := make([]string, requests)
		begin := time.Now()
		var tasks sync.WaitGroup
		for i := range answers {
			tasks.Go(func() {
				a, err := c.do(&Case{Request: Request{Method: "GET", Target: "/nobody", Fields: rawhttp.Fields{{Name: "Host", Value: "a.test"}}}})
				if err != nil {
					t.Error(err)
				}
				answers[i] = fmt.Sprintf("%d %s", a.Response.Status, a.Response.Body)
			})
		}
		tasks.Wait()
		if d := time.Since(begin); d > 2*time.Second {
			t.Errorf("%s: %d requests took %v, want the one second of the connect timeout", c.Name, requests, d)
		}
		slices.Sort(answers)
		all = append(all, answers)
		t.Logf("%s: %q", c.Name, answers)
	}
	for i, got := range all[1:] {
		if diff := cmp.Diff(all[0], got); diff != "" {
			t.Errorf("(-%s +%s)\n%s", corners[0].Name, corners[i+1].Name, diff)
		}
	}
}

// TestEarlyResetsOverHTTP2 compares how many requests a client may take back
// before its connection ends, after so many that were answered.
func TestEarlyResetsOverHTTP2(t *testing.T) {
	corners := limitsCorners(t)
	for _, tt := range []struct{ answered, taken int }{
		{0, 249}, {0, 250}, {100, 260}, {200, 260}, {300, 590}, {300, 620},
	} {
		var ends []bool
		for _, c := range corners {
			ends = append(ends, endsAfter(t, c, tt.answered, tt.taken))
		}
		t.Logf("%d answered, %d taken back: ends %v", tt.answered, tt.taken, ends)
		for i, got := range ends[1:] {
			if got != ends[0] {
				t.Errorf("%d answered, %d taken back: %s ends %t, %s %t", tt.answered, tt.taken, corners[0].Name, ends[0], corners[i+1].Name, got)
			}
		}
	}
}

func endsAfter(t *testing.T, c *Corner, answered, taken int) bool {
	t.Helper()
	h, err := c.dialHTTP2("")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Close() }()
	for range answered {
		id, err := h.send(request(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if r := h.read(id); r.Status != 200 {
			t.Fatalf("%s: %v", c.Name, r)
		}
	}
	for range taken {
		id, err := h.send(append(lacking(":path"), [2]string{":path", "/silent"}), nil)
		if err != nil {
			return true
		}
		if err := h.fr.WriteRSTStream(id, http2.ErrCodeCancel); err != nil {
			return true
		}
	}
	id, err := h.send(request(), nil)
	return err != nil || h.read(id).Status != 200
}
