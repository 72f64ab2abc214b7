package square

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/net/websocket"
)

// TestWebSocket: messages of all sizes come back through both data planes, also from a
// service with TLS.
func TestWebSocket(t *testing.T) {
	t.Run("in the clear", func(t *testing.T) { compareWebSockets(t, (*httptest.Server).Start, "lb_policy: ROUND_ROBIN") })
	t.Run("TLS", func(t *testing.T) {
		compareWebSockets(t, (*httptest.Server).StartTLS, "transport_socket: "+upstreamTLS("", ""))
	})
}

func compareWebSockets(t *testing.T, begin func(*httptest.Server), cluster string) {
	srv := httptest.NewUnstartedServer(websocket.Handler(func(ws *websocket.Conn) {
		for {
			var m []byte
			if websocket.Message.Receive(ws, &m) != nil || websocket.Message.Send(ws, m) != nil {
				return
			}
		}
	}))
	begin(srv)
	t.Cleanup(srv.Close)
	var port int
	if _, err := fmt.Sscanf(srv.Listener.Addr().String(), "127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(upstreamBootstrap, cluster, port, freePort())
	text = strings.Replace(text, "          stat_prefix: s\n", "          stat_prefix: s\n          upgrade_configs: [{upgrade_type: websocket}]\n", 1)
	b := newBench(t, planesOf(t))
	corners := b.corners(text)
	for _, c := range corners {
		t.Run(c.Name, func(t *testing.T) {
			ws, err := websocket.Dial("ws://"+c.addrs[c.first]+"/chat", "", "http://a.test")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = ws.Close() }()
			for _, n := range []int{0, 1, 125, 126, 65_536, 300_000} {
				sent, got := bytes.Repeat([]byte{'w'}, n), []byte(nil)
				if err := websocket.Message.Send(ws, sent); err != nil {
					t.Fatal(err)
				}
				if err := websocket.Message.Receive(ws, &got); err != nil || !bytes.Equal(got, sent) {
					t.Errorf("%d bytes: %d came back, %v", n, len(got), err)
				}
			}
		})
	}
}
