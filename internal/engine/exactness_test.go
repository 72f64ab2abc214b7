package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crossgate/crossgate/internal/xds"
)

// TestTheClaimedAddressInAText: the address that x-forwarded-for claims stands in the
// middle of a text, in which others are made, as it is.
func TestTheClaimedAddressInAText(t *testing.T) {
	routes := strings.Replace(plainRoute, "route: {cluster: up}",
		`route: {cluster: up}
                response_headers_to_add: [{header: {key: x-got, value: "from %DOWNSTREAM_REMOTE_ADDRESS% to %PROTOCOL% of %REQ(:path)% over %DOWNSTREAM_REMOTE_ADDRESS%"}}]`, 1)
	b := start(t, bootstrap("use_remote_address: true\n          xff_num_trusted_hops: 1", routes, ""))
	c := b.dial()
	for range 2 {
		for ip, address := range map[string]string{"203.0.113.7": "203.0.113.7:0", "2001:db8::7": "[2001:db8::7]:0"} {
			r := c.Do(get("/x", "x-forwarded-for: "+ip+"\r\n"), "GET")
			if got, _ := r.Fields.Get("x-got"); got != "from "+address+" to HTTP/1.1 of /x over "+address {
				t.Errorf("x-got: %s", got)
			}
		}
	}
}

// TestBytesOfADelayedBodyAreCounted: what is read while a request is held back came
// over the connection like everything else.
func TestBytesOfADelayedBodyAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := startPipes(t, slowRoutes, "", answer200)
		request := "POST /quick HTTP/1.1\r\nHost: a\r\ncontent-length: 1000\r\n\r\n"
		c := p.dial(request)
		if _, err := io.WriteString(c, strings.Repeat("x", 1000)); err != nil {
			t.Fatal(err)
		}
		if got := p.status(c); got != 200 {
			t.Errorf("answered %d", got)
		}
		_ = c.Close()
		b := &bench{t: t, engine: p.engine}
		if got := b.statistics()["http.in.downstream_cx_rx_bytes_total"]; got != uint64(len(request)+1000) {
			t.Errorf("%d bytes are counted, %d came", got, len(request)+1000)
		}
		p.end()
	})
}

// brokenListener fails to accept until it is closed, as without descriptors.
type brokenListener struct{ done chan struct{} }

func (l brokenListener) Accept() (net.Conn, error) {
	select {
	case <-l.done:
		return nil, net.ErrClosed
	default:
		return nil, errors.New("too many open files")
	}
}

func (l brokenListener) Close() error   { close(l.done); return nil }
func (l brokenListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// TestAFailingAcceptDoesNotFillTheLog: it is said at once and then now and then.
func TestAFailingAcceptDoesNotFillTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said := &syncBuffer{}
		e := New(Options{
			Logger: slog.New(slog.NewTextHandler(said, nil)),
			Listen: func(context.Context, string, string) (net.Listener, error) {
				return brokenListener{make(chan struct{})}, nil
			},
		})
		s, _ := xds.LoadBootstrap("test.yaml", []byte(strings.ReplaceAll(bootstrap("", plainRoute, ""), "UP}", "80}")))
		if diags := e.Publish(s); diags.HasErrors() {
			t.Fatal(diags)
		}
		time.Sleep(time.Minute - time.Second)
		if n := strings.Count(said.String(), "accept failed"); n < 2 || n > 10 {
			t.Errorf("%s in a minute", fmt.Sprint(n, " lines"))
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
}
