package square

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crossgate/crossgate/test/nameserver"
	"github.com/crossgate/crossgate/test/rawhttp"
)

const namesBootstrap = mainListener + `          route_config:
            name: r
            virtual_hosts:
            - name: v
              domains: ["*"]
              response_headers_to_add: [{header: {key: x-details, value: "%%RESPONSE_CODE_DETAILS%% %%RESPONSE_FLAGS%% %%UPSTREAM_HOST%%"}}]
              routes: [{match: {prefix: /}, route: {cluster: up}}]
  clusters:
  - name: up
    type: %s
    dns_lookup_family: %s
    dns_refresh_rate: %s
    respect_dns_ttl: %v
    connect_timeout: 1s
    typed_dns_resolver_config:
      name: envoy.network.dns_resolver.cares
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig
        resolvers: [{socket_address: {protocol: UDP, address: 127.0.0.1, port_value: %d}}]
        dns_resolver_options: {no_default_search_domain: true}
    load_assignment: {cluster_name: up, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: svc.test, port_value: %d}}}}]}]}
`

// listenEverywhere serves on one port of several addresses of the loopback; each
// answers with its address.
func listenEverywhere(t *testing.T, ips ...string) (port int) {
	t.Helper()
	for _, ip := range ips {
		ln, err := net.Listen("tcp", net.JoinHostPort(ip, fmt.Sprint(port)))
		if err != nil {
			t.Fatal(err)
		}
		port = ln.Addr().(*net.TCPAddr).Port
		srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Date"] = nil
			_, _ = io.WriteString(w, ip)
		})}
		go func() { _ = srv.Serve(ln) }()
		t.Cleanup(func() { _ = srv.Close() })
	}
	return port
}

// names is a test of a name whose addresses change.
type names struct {
	*testing.T
	server  *nameserver.Server
	corners []*Corner
}

func newNames(t *testing.T, kind, family, refresh string, ttl bool, first nameserver.Answer) *names {
	b := newBench(t, planesOf(t))
	port := listenEverywhere(t, "127.0.0.1", "127.0.0.2", "127.0.0.3", "::1")
	server, err := nameserver.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	server.Set("svc.test", first)
	return &names{t, server, b.corners(fmt.Sprintf(namesBootstrap, kind, family, refresh, ttl, server.Port(), port))}
}

// seen is who answers a few requests, and how, without the order.
func (n *names) seen(c *Corner) string {
	n.Helper()
	answers := map[string]bool{}
	for range 8 {
		a, err := c.do(&Case{Request: Request{Method: "GET", Target: "/", Fields: rawhttp.Fields{{Name: "Host", Value: "a.test"}}}})
		if err != nil {
			n.Fatal(err)
		}
		details, _ := a.Response.Fields.Get("x-details")
		answers[fmt.Sprintf("%d %q %s", a.Response.Status, a.Response.Body, details)] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(answers)), "; ")
}

// agree waits until the corners see the same, and returns it.
func (n *names) agree(what string) string {
	n.Helper()
	var seen []string
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		seen = nil
		for _, c := range n.corners {
			seen = append(seen, n.seen(c))
		}
		if len(slices.Compact(slices.Clone(seen))) == 1 {
			n.Logf("%s: %s", what, seen[0])
			return seen[0]
		}
	}
	for i, c := range n.corners {
		n.Errorf("%s: %s: %s", what, c.Name, seen[i])
	}
	return ""
}

// change sets what the name server says and waits until all have asked it again,
// several times, for none of them tells what it has made of the answer.
func (n *names) change(a nameserver.Answer) {
	n.Helper()
	n.server.Set("svc.test", a)
	before := n.server.Asked("svc.test")
	for deadline := time.Now().Add(20 * time.Second); n.server.Asked("svc.test") < before+16; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			n.Fatalf("the name server was asked %d times after the change", n.server.Asked("svc.test")-before)
		}
	}
}

// TestNames compares what becomes of a cluster when the addresses of its name
// change, cannot be had, and are no more.
func TestNames(t *testing.T) {
	v4 := func(ips ...string) (out []netip.Addr) {
		for _, ip := range ips {
			out = append(out, netip.MustParseAddr(ip))
		}
		return out
	}
	for _, kind := range []string{"STRICT_DNS", "LOGICAL_DNS"} {
		for _, family := range []string{"V4_ONLY", "V6_ONLY", "V4_PREFERRED", "AUTO", "ALL"} {
			t.Run(kind+" "+family, func(t *testing.T) {
				three := nameserver.Answer{Addrs: v4("127.0.0.1", "127.0.0.2", "::1"), TTL: 1}
				n := newNames(t, kind, family, "0.1s", false, three)
				// The first request finds the addresses: no waiting here.
				for _, c := range n.corners {
					if got := n.seen(c); strings.Contains(got, "503") {
						t.Errorf("%s: at the start: %s", c.Name, got)
					}
				}
				n.agree("at the start")
				n.change(nameserver.Answer{Addrs: v4("127.0.0.3", "127.0.0.2"), TTL: 1})
				n.agree("other addresses")
				n.change(nameserver.Answer{Fail: true})
				n.agree("a name server that fails")
				n.change(nameserver.Answer{})
				n.agree("no such name")
				n.change(three)
				n.agree("addresses again")
				n.change(nameserver.Answer{Exists: true})
				n.agree("a name without addresses")
			})
		}
	}
}

// TestNameThatAppears: the listener serves although the name does not exist yet, and
// the TTL of the answers decides when it is looked up again.
func TestNameThatAppears(t *testing.T) {
	for _, fail := range []bool{false, true} {
		n := newNames(t, "STRICT_DNS", "V4_ONLY", "0.2s", true, nameserver.Answer{Fail: fail})
		if got := n.agree("before"); !strings.Contains(got, `503 "no healthy upstream" no_healthy_upstream UH`) {
			t.Errorf("before: %s", got)
		}
		n.server.Set("svc.test", nameserver.Answer{Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}, TTL: 1000})
		for _, c := range n.corners {
			for deadline := time.Now().Add(10 * time.Second); strings.Contains(n.seen(c), "503"); {
				if time.Now().After(deadline) {
					t.Fatalf("%s never saw the address", c.Name)
				}
			}
		}
		// From now on nobody asks: the TTL is longer than the test.
		asked := n.server.Asked("svc.test")
		time.Sleep(time.Second)
		if now := n.server.Asked("svc.test"); now != asked {
			t.Errorf("the name server was asked %d times within the TTL", now-asked)
		}
		n.agree("after")
	}
}

// TestNameWithOneDeadAddress: the one host of a LOGICAL_DNS cluster is reached by the
// address that somebody listens on.
func TestNameWithOneDeadAddress(t *testing.T) {
	b := newBench(t, planesOf(t))
	server, err := nameserver.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	for _, listens := range []string{"127.0.0.1", "::1"} {
		server.Set("svc.test", nameserver.Answer{Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")}, TTL: 1000})
		n := &names{t, server, b.corners(fmt.Sprintf(namesBootstrap, "LOGICAL_DNS", "ALL", "1s", false, server.Port(), listenEverywhere(t, listens)))}
		if got := n.agree(listens); !strings.HasPrefix(got, "200") || strings.Contains(got, ";") {
			t.Errorf("%s: %s", listens, got)
		}
	}
}
