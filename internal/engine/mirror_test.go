package engine

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crossgate/crossgate/internal/stats"
	"github.com/crossgate/crossgate/test/rawhttp"
)

const mirrorRoutes = `
              - {match: {prefix: /none}, route: {cluster: up, timeout: 0s, request_mirror_policies: [{cluster: mirror}]}}
              - {match: {prefix: /}, route: {cluster: up, timeout: 2s, request_mirror_policies: [{cluster: mirror}]}}
`

const mirrorCluster = `
  - name: mirror
    type: STATIC
    load_assignment: {cluster_name: mirror, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 81}}}}]}]}
`

// copyEnd is what a mirror got before its connection ended, and when that was.
type copyEnd struct {
	bytes int
	after time.Duration
}

// withDeadMirror runs the function beside a mirror that answers nothing; reads says
// whether it reads. ends has one element for each copy.
func withDeadMirror(t *testing.T, reads bool, f func(t *testing.T, p *pipes, ends <-chan copyEnd)) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		ends := make(chan copyEnd, 100)
		over := make(chan struct{})
		p := startPipes(t, mirrorRoutes, mirrorCluster, func(address string, c net.Conn) {
			if !strings.HasSuffix(address, ":81") {
				answer200(address, c)
				return
			}
			if !reads {
				<-over
			}
			n, _ := io.Copy(io.Discard, c)
			ends <- copyEnd{int(n), time.Since(begun)}
			_ = c.Close()
		})
		f(t, p, ends)
		close(over)
		p.end()
	})
}

// TestDeadMirrorIsGivenUp: a copy that nobody answers ends with the route's timeout;
// where there is none, when nothing has happened for as long as a stream may be
// idle. The request has long been answered.
func TestDeadMirrorIsGivenUp(t *testing.T) {
	for path, want := range map[string]time.Duration{"/x": 2 * time.Second, "/none": defaultStreamIdleTimeout} {
		withDeadMirror(t, true, func(t *testing.T, p *pipes, ends <-chan copyEnd) {
			begun := time.Now()
			c := p.dial("GET " + path + " HTTP/1.1\r\nHost: a.test\r\n\r\n")
			defer c.Close()
			if status := p.status(c); status != 200 || time.Since(begun) != 0 {
				t.Errorf("%s: answered %d after %v", path, status, time.Since(begun))
			}
			if end := <-ends; end.after < want || end.after > want+want/32 {
				t.Errorf("%s: the copy ends after %v, want %v", path, end.after, want)
			}
		})
	}
}

// TestSlowMirrorLosesItsCopy: a body that a mirror does not read does not hold the
// request back; a whole one waits within its bound, and the operator is told once
// of those that do not.
func TestSlowMirrorLosesItsCopy(t *testing.T) {
	withDeadMirror(t, false, func(t *testing.T, p *pipes, _ <-chan copyEnd) {
		said := &syncBuffer{}
		p.engine.shadows.engine.log = slog.New(slog.NewTextHandler(said, nil))
		for _, size := range []int{1000, maxShadowBody / 2, 10 * maxShadowBody, 10 * maxShadowBody} {
			begun := time.Now()
			c := p.dial(fmt.Sprintf("POST /x HTTP/1.1\r\nHost: a.test\r\ncontent-length: %d\r\n\r\n", size))
			go func() { _, _ = c.Write(make([]byte, size)) }()
			if status := p.status(c); status != 200 || time.Since(begun) != 0 {
				t.Errorf("%d bytes: answered %d after %v", size, status, time.Since(begun))
			}
			_ = c.Close()
			synctest.Wait()
		}
		if n := strings.Count(said.String(), "requests are not mirrored"); n != 1 {
			t.Errorf("the operator is told %d times:\n%s", n, said)
		}
		if n := p.engine.shadows.bytes; n < 0 || n > maxShadowBody {
			t.Errorf("%d bytes wait for mirrors", n)
		}
	})
}

// TestMirrorEndsWithItsRequest: a copy of a request that does not come whole does
// not either.
func TestMirrorEndsWithItsRequest(t *testing.T) {
	withDeadMirror(t, true, func(t *testing.T, p *pipes, ends <-chan copyEnd) {
		c := p.dial("POST /none HTTP/1.1\r\nHost: a.test\r\ncontent-length: 10\r\n\r\nabc")
		synctest.Wait()
		_ = c.Close()
		if end := <-ends; end.after != 0 || end.bytes == 0 {
			t.Errorf("the copy ends after %v with %d bytes", end.after, end.bytes)
		}
	})
}

// TestCloseEndsCopies: nothing is left of copies when the engine is closed.
func TestCloseEndsCopies(t *testing.T) {
	for _, reads := range []bool{true, false} {
		withDeadMirror(t, reads, func(t *testing.T, p *pipes, _ <-chan copyEnd) {
			c := p.dial("GET /none HTTP/1.1\r\nHost: a.test\r\n\r\n")
			defer c.Close()
			if status := p.status(c); status != 200 {
				t.Errorf("answered %d", status)
			}
			begun := time.Now()
			if err := p.engine.Close(); err != nil || time.Since(begun) != 0 {
				t.Errorf("closed after %v: %v", time.Since(begun), err)
			}
			if n := len(p.engine.shadows.set); n != 0 {
				t.Errorf("%d copies are left", n)
			}
		})
	}
}

// TestShadowBounds: no more copies and no more bytes than there may be; what is
// given up is given back.
func TestShadowBounds(t *testing.T) {
	p := &shadows{}
	var all []*shadow
	for sh := p.begin(false); sh != nil; sh = p.begin(false) {
		all = append(all, sh)
	}
	if len(all) != maxShadows {
		t.Fatalf("%d copies at once, want %d", len(all), maxShadows)
	}
	full := bytes.Repeat([]byte("x"), maxShadowBody)
	for _, sh := range all {
		sh.write(full)
	}
	if p.bytes != maxShadowBodies {
		t.Errorf("%d bytes wait, want %d", p.bytes, maxShadowBodies)
	}
	for range maxShadowBody / shadowPiece {
		if _, err := all[0].buffered(); err != nil {
			t.Error(err)
		}
	}
	if n := cap(all[0].waiting) + cap(all[0].taken); n > 2*shadowPiece {
		t.Errorf("a copy whose body was taken keeps %d bytes that are not counted", n)
	}
	if all[0].write(full); all[0].left() {
		t.Error("a mirror that reads loses its copy")
	}
	if all[0].write([]byte("x")); !all[0].left() || !all[maxShadows-1].left() {
		t.Error("a copy is kept that is too large")
	}
	for _, sh := range all {
		p.end(sh)
	}
	if p.bytes != 0 || len(p.set) != 0 {
		t.Errorf("%d bytes and %d copies are left", p.bytes, len(p.set))
	}
}

// TestMirrorsUnderLoad: many copies at once are whole, and all of them come.
func TestMirrorsUnderLoad(t *testing.T) {
	const clients, each = 20, 15
	desk := rawhttp.NewDesk()
	copies, err := rawhttp.Listen("mirror", desk)
	if err != nil {
		t.Fatal(err)
	}
	defer copies.Close()
	b := start(t, bootstrap("", mirrorRoutes, strings.Replace(mirrorCluster, "81}", fmt.Sprint(copies.Port(), "}"), 1)))
	var wg sync.WaitGroup
	for i := range clients {
		c := b.dial()
		wg.Go(func() {
			for j := range each {
				id := fmt.Sprint("load-", i, "-", j)
				desk.Expect(id, rawhttp.Plan{})
				body := bytes.Repeat([]byte{byte('a' + j)}, i*j*300)
				request := fmt.Appendf(nil, "POST /none HTTP/1.1\r\nHost: a.test\r\n%s: %s\r\ncontent-length: %d\r\n\r\n%s", rawhttp.IDHeader, id, len(body), body)
				if r := c.Do(request, "POST"); r.Status != 200 {
					t.Errorf("%s: answered %d %s", id, r.Status, r.End)
					return
				}
				for deadline := time.Now().Add(10 * time.Second); desk.Seen(id) == 0 && time.Now().Before(deadline); {
					time.Sleep(time.Millisecond)
				}
				if seen := desk.Take(id); len(seen) != 1 || !bytes.Equal(seen[0].Body, body) {
					t.Errorf("%s: %d copies, or not the body of %d bytes", id, len(seen), len(body))
				}
			}
		})
	}
	wg.Wait()
	b.engine.shadows.tasks.Wait()
	var text bytes.Buffer
	if err := b.engine.opts.Stats.WritePrometheus(&text, stats.Filter{}); err != nil {
		t.Fatal(err)
	}
	// For Envoy copies are requests of its own, others those of somebody outside.
	for _, want := range []string{
		`envoy_cluster_internal_upstream_rq{envoy_cluster_name="mirror",envoy_response_code="200"} 300`,
		`envoy_cluster_external_upstream_rq{envoy_cluster_name="up",envoy_response_code="200"} 300`,
		`envoy_http_downstream_rq_total{envoy_http_conn_manager_prefix="in"} 300`,
	} {
		if !strings.Contains(text.String(), want+"\n") {
			t.Errorf("no %s in\n%s", want, text.String())
		}
	}
}
