package xds

import (
	"cmp"
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"github.com/crossgate/crossgate/internal/diag"
)

// Ports says where a laptop really listens for what a snapshot says. The
// snapshot keeps the ports of the Gateway as written; they are mapped where
// sockets are opened and where a bootstrap for another proxy is written, so
// that both agree.
type Ports struct {
	// Bind is the address of every listener; empty means 127.0.0.1.
	Bind string
	// Offset is added to every port after the mapping.
	Offset int
	// Privileged keeps ports below 1024 as they are.
	Privileged bool
}

// defaultBind is the address that nobody else on the network can reach.
const defaultBind = "127.0.0.1"

// Map returns the address and port to listen on for the ones of a listener.
// Ports below 1024 need privileges that a gateway should not have, so they move
// as Istio's own service moves them: 80 to 8080, 443 to 8443, others by 8000.
// The host of the listener is replaced: what is open to the network is the
// user's decision, not the file's. Port 0, which lets the system choose, stays.
func (p Ports) Map(_ string, port uint32) (string, uint32) {
	switch {
	case port == 0:
		return cmp.Or(p.Bind, defaultBind), 0
	case p.Privileged || port >= 1024:
	case port == 80:
		port = 8080
	case port == 443:
		port = 8443
	default:
		port += 8000
	}
	return cmp.Or(p.Bind, defaultBind), uint32(int64(port) + int64(p.Offset))
}

// Collisions returns an error for every listener of the snapshot that Map moves
// to a port which cannot be bound or which an earlier listener has already.
func (p Ports) Collisions(s *Snapshot) diag.List {
	_, list := p.bindable(s)
	return list
}

// bindable returns the listeners that get the port they are mapped to, and
// what is wrong with the others.
func (p Ports) bindable(s *Snapshot) ([]*listenerv3.Listener, diag.List) {
	var listeners []*listenerv3.Listener
	var list diag.List
	taken := make(map[string]string)
	for _, l := range s.Listeners {
		sock := l.GetAddress().GetSocketAddress()
		if sock.GetPortValue() == 0 || sock.GetProtocol() == corev3.SocketAddress_UDP {
			listeners = append(listeners, l)
			continue
		}
		host, port := p.Map(sock.GetAddress(), sock.GetPortValue())
		addr := HostPort(host, port)
		d := diag.Diagnostic{Pos: s.Origins[ListenerKey(l.GetName())], Severity: diag.Error, Code: CodePort}
		if port > 65535 || port == 0 {
			d.Message = fmt.Sprintf("listener %s: port %d with offset %d is not a port", l.GetName(), sock.GetPortValue(), p.Offset)
			list = append(list, d)
			continue
		}
		if first, ok := taken[addr]; ok {
			d.Message = fmt.Sprintf("listener %s cannot listen on %s: listener %s does already", l.GetName(), addr, first)
			d.Related = []diag.Related{{Pos: s.Origins[ListenerKey(first)], Message: "listener " + first}}
			list = append(list, d)
			continue
		}
		taken[addr] = l.GetName()
		listeners = append(listeners, l)
	}
	return listeners, list
}
