package xds

import (
	"strings"
	"testing"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"github.com/crossgate/crossgate/internal/diag"
)

func TestPortsMap(t *testing.T) {
	for _, tt := range []struct {
		ports Ports
		port  uint32
		host  string
		want  uint32
	}{
		{Ports{}, 80, "127.0.0.1", 8080},
		{Ports{}, 443, "127.0.0.1", 8443},
		{Ports{}, 444, "127.0.0.1", 8444},
		{Ports{}, 1023, "127.0.0.1", 9023},
		{Ports{}, 1024, "127.0.0.1", 1024},
		{Ports{Offset: 100}, 443, "127.0.0.1", 8543},
		{Ports{Offset: 100}, 8080, "127.0.0.1", 8180},
		{Ports{Privileged: true, Bind: "::"}, 80, "::", 80},
		{Ports{Offset: 100}, 0, "127.0.0.1", 0},
		{Ports{Bind: "0.0.0.0"}, 9000, "0.0.0.0", 9000},
	} {
		host, port := tt.ports.Map("10.0.0.1", tt.port)
		if host != tt.host || port != tt.want {
			t.Errorf("%+v.Map(%d) = %s:%d, want %s:%d", tt.ports, tt.port, host, port, tt.host, tt.want)
		}
	}
}

func TestPortsCollisions(t *testing.T) {
	s := &Snapshot{Origins: map[string]diag.Pos{
		ListenerKey("first"):  {File: "gw.yaml", Line: 7},
		ListenerKey("second"): {File: "gw.yaml", Line: 9},
	}}
	for _, l := range []struct {
		name string
		port uint32
	}{{"first", 80}, {"second", 8080}, {"high", 65000}} {
		s.Listeners = append(s.Listeners, &listenerv3.Listener{Name: l.name, Address: SocketAddress("0.0.0.0", l.port)})
	}
	got := Ports{}.Collisions(s)
	if len(got) != 1 || got[0].Pos.Line != 9 || got[0].Related[0].Pos.Line != 7 ||
		!strings.Contains(got[0].Message, "listener second cannot listen on 127.0.0.1:8080: listener first does already") {
		t.Errorf("Collisions = %v", got)
	}
	if got := (Ports{Privileged: true}).Collisions(s); len(got) != 0 {
		t.Errorf("with privileged ports nothing collides, got %v", got)
	}
	got = Ports{Privileged: true, Offset: 1000}.Collisions(s)
	if len(got) != 1 || !strings.Contains(got[0].Message, "is not a port") {
		t.Errorf("65000 with offset 1000: %v", got)
	}
	text, err := s.WriteBootstrap(BootstrapOptions{})
	if err != nil || strings.Contains(string(text), `"second"`) || !strings.Contains(string(text), `"first"`) {
		t.Errorf("the bootstrap must leave out the second listener alone: %v\n%s", err, text)
	}
}
