package engine

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/crossgate/crossgate/internal/upstream"
	"github.com/crossgate/crossgate/internal/xds"
	"github.com/crossgate/crossgate/test/rawhttp"
)

const nameBootstrap = `
static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: s
          http_filters: [{name: envoy.filters.http.router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
          route_config: {name: r, virtual_hosts: [{name: v, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: up}}]}]}
  clusters:
  - name: up
    type: STRICT_DNS
    dns_lookup_family: V4_ONLY
    load_assignment: {cluster_name: up, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: svc.test, port_value: PORT}}}}]}]}
`

// gatedResolver answers when it is let.
type gatedResolver struct{ gate chan struct{} }

func (r gatedResolver) Lookup(ctx context.Context, _ upstream.Query) (upstream.Answer, error) {
	select {
	case <-r.gate:
		return upstream.Answer{Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}, nil
	case <-ctx.Done():
		return upstream.Answer{}, ctx.Err()
	}
}

func namesEngine(t *testing.T, r upstream.Resolver) (*Engine, *xds.Snapshot) {
	t.Helper()
	up, err := rawhttp.Listen("up", rawhttp.NewDesk())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(up.Close)
	s, diags := xds.LoadBootstrap("test.yaml", []byte(strings.ReplaceAll(nameBootstrap, "PORT", fmt.Sprint(up.Port()))))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	e := New(Options{Resolver: r})
	t.Cleanup(func() { _ = e.Close() })
	return e, s
}

// TestNoListenerBeforeTheFirstLookup: a name that resolves never costs a request.
func TestNoListenerBeforeTheFirstLookup(t *testing.T) {
	r := gatedResolver{make(chan struct{})}
	e, s := namesEngine(t, r)
	published := make(chan bool)
	go func() { published <- e.Publish(s).HasErrors() }()
	select {
	case <-published:
		t.Fatal("the snapshot is in force before its name was looked up")
	case <-time.After(50 * time.Millisecond):
	}
	if n := len(e.Listeners()); n != 0 {
		t.Errorf("%d listeners accept before the name was looked up", n)
	}
	close(r.gate)
	if <-published {
		t.Fatal("the snapshot has errors")
	}
	c, err := rawhttp.Dial(e.Listeners()[0].Addr.String(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if resp := c.Do([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), "GET"); resp.Status != 200 {
		t.Errorf("the first request: %d %q", resp.Status, resp.Body)
	}
}

// TestCloseEndsAWaitForNames: neither the wait nor the lookup outlives the engine.
func TestCloseEndsAWaitForNames(t *testing.T) {
	e, s := namesEngine(t, gatedResolver{make(chan struct{})})
	published := make(chan struct{})
	go func() {
		e.Publish(s)
		close(published)
	}()
	time.Sleep(10 * time.Millisecond) // either order must do
	began := time.Now()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	<-published
	if d := time.Since(began); d > time.Second {
		t.Errorf("closing took %v", d)
	}
}
