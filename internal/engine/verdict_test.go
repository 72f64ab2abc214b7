package engine

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crossgate/crossgate/internal/harden"
	"github.com/crossgate/crossgate/internal/stats"
	"github.com/crossgate/crossgate/internal/xds"
	"github.com/crossgate/crossgate/test/rawhttp"
)

// lockedBuffer is a buffer for a logger of several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

const guardedRoute = `
              - match: {prefix: /}
                name: api
                direct_response: {status: 200}
                typed_per_filter_config:
                  envoy.filters.http.cors:
                    "@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy
                    allow_origin_string_match: [{exact: "https://app.shop.example"}]
`

// TestVerdicts: what a policy refuses is counted each time and logged once, however
// many clients ask at once; a client's text stands in the log with an end.
func TestVerdicts(t *testing.T) {
	log, store := new(lockedBuffer), stats.New()
	e := New(Options{Logger: slog.New(slog.NewTextHandler(log, nil)), Stats: store})
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	s, diags := xds.LoadBootstrap("test.yaml", []byte(strings.ReplaceAll(bootstrap("", guardedRoute, ""), "UP}", "1}")))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	s, diags = harden.Snapshot(s, harden.Options{})
	if diags = append(diags, e.Publish(s)...); diags.HasErrors() {
		t.Fatal(diags)
	}
	const clients, each = 8, 25
	request := []byte("OPTIONS / HTTP/1.1\r\nHost: a.test\r\nOrigin: https://" + strings.Repeat("e", 5000) + "\r\nAccess-Control-Request-Method: PUT\r\n\r\n")
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			c, err := rawhttp.Dial(e.Listeners()[0].Addr.String(), 5*time.Second)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = c.Close() }()
			for range each {
				if r := c.Do(request, "OPTIONS"); r.Status != 403 {
					t.Errorf("status %d", r.Status)
				}
			}
		})
	}
	wg.Wait()
	counted := func() (n uint64) {
		for _, one := range store.Samples() {
			if one.Name == "crossgate.cors.deny-origin.none.requests" {
				n = one.Value
			}
		}
		return n
	}
	for deadline := time.Now().Add(5 * time.Second); counted() != clients*each && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
	}
	if n := counted(); n != clients*each {
		t.Errorf("%d refusals are counted, want %d", n, clients*each)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 1 || !strings.Contains(lines[0], "reason=deny-origin") || len(lines[0]) > 1000 {
		t.Errorf("the log: %q", log.String())
	}
}
