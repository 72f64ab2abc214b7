package translate

import (
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// server is one server of a Gateway that the node serves.
type server struct {
	gateway *resource.Resource
	// name is the Gateway as VirtualServices refer to it: namespace/name.
	name  string
	index int
	spec  *networking.Server
	hosts []string
	// routes is the name of the server's route configuration.
	routes string
}

func (s *server) path(field string) string {
	return fmt.Sprintf("spec.servers[%d].%s", s.index, field)
}

func (s *server) port() uint32 { return s.spec.GetPort().GetNumber() }

// listenerPort is an address on which servers listen together: any number of
// plain HTTP servers, or any number of TLS servers told apart by SNI.
type listenerPort struct {
	number  uint32
	bind    string
	tls     bool
	servers []*server
}

// gateways returns the Gateways that the node serves, in istiod's order.
func (t *translator) gateways(synthesize bool) []*resource.Resource {
	var out []*resource.Resource
	for _, r := range t.set.Kind("Gateway") {
		spec, ok := r.Spec.(*networking.Gateway)
		if !ok {
			continue
		}
		if !t.node.matches(spec.GetSelector()) {
			t.report(diag.Info, CodeNotSelected, r, "spec.selector",
				"not served here: the selector does not match the labels of %s", t.node.Name)
			continue
		}
		out = append(out, r)
	}
	if synthesize {
		out = append(out, t.synthesize()...)
	}
	return out
}

// mergeGateways groups the servers by port as istiod's mergeGateways does: of
// two servers that cannot share a port the first wins.
func (t *translator) mergeGateways(gateways []*resource.Resource) []*listenerPort {
	m := &merger{t: t, routes: make(map[string]bool), hosts: make(map[string]*server)}
	for _, g := range gateways {
		for i, spec := range g.Spec.(*networking.Gateway).GetServers() {
			if spec.GetPort() == nil {
				continue
			}
			m.add(&server{
				gateway: g,
				name:    g.Namespace + "/" + g.Name,
				index:   i,
				spec:    spec,
				hosts:   qualifyServerHosts(spec.GetHosts(), g.Namespace),
			})
		}
	}
	slices.SortFunc(m.ports, func(a, b *listenerPort) int {
		if a.number != b.number {
			return int(a.number) - int(b.number)
		}
		return strings.Compare(a.bind, b.bind)
	})
	return m.ports
}

// merger collects servers by port.
type merger struct {
	t     *translator
	ports []*listenerPort
	// routes are the names of the HTTPS route configurations given so far.
	routes map[string]bool
	// hosts are the TLS hosts taken, by port, bind and host: Envoy rejects a
	// listener with two filter chains of one match.
	hosts map[string]*server
}

func (m *merger) add(s *server) {
	if !m.supported(s) {
		return
	}
	tls := !isHTTP(s.spec.GetPort().GetProtocol())
	if s.spec.GetTls() != nil && !m.claimHosts(s) {
		return
	}
	s.routes = routeConfigName(s, tls)
	p := m.port(s)
	if p == nil {
		p = &listenerPort{number: s.port(), bind: s.spec.GetBind(), tls: tls}
		m.ports = append(m.ports, p)
	}
	first := s
	if len(p.servers) > 0 {
		first = p.servers[0]
	}
	if p.tls != tls {
		m.conflict(s, first, "port.protocol", "%s cannot share port %d with the %s server of %s",
			s.spec.GetPort().GetProtocol(), s.port(), first.spec.GetPort().GetProtocol(), first.name)
		return
	}
	if tls && m.routes[s.routes] {
		m.conflict(s, first, "port.name", "the port name %q is used by another HTTPS server on port %d of the same Gateway",
			s.spec.GetPort().GetName(), s.port())
		return
	}
	m.routes[s.routes] = true
	p.servers = append(p.servers, s)
}

// supported reports what is not translated yet about a server; such a server
// is left out, for in its place nothing weaker may listen.
func (m *merger) supported(s *server) bool {
	protocol, tls := s.spec.GetPort().GetProtocol(), s.spec.GetTls()
	refuse := func(field, format string, args ...any) bool {
		m.t.report(diag.Error, CodeUnsupported, s.gateway, s.path(field), "server left out: "+format, args...)
		return false
	}
	switch {
	case isHTTP(protocol):
		return true
	case !strings.EqualFold(protocol, "HTTPS"):
		return refuse("port.protocol", "protocol %s is not supported yet", protocol)
	case tls == nil:
		return refuse("port.protocol", "an HTTPS server needs tls")
	case tls.GetMode() != networking.ServerTLSSettings_SIMPLE && !verifiesClients(tls):
		return refuse("tls.mode", "TLS mode %s is not supported", tls.GetMode())
	}
	return true
}

// claimHosts takes the server's hosts on its port, all or none.
func (m *merger) claimHosts(s *server) bool {
	key := func(h string) string { return fmt.Sprintf("%d/%s/%s", s.port(), s.spec.GetBind(), h) }
	for _, h := range s.hosts {
		if first := m.hosts[key(h)]; first != nil {
			m.conflict(s, first, "hosts", "host %q is served on port %d by %s already; the server is left out", h, s.port(), first.name)
			return false
		}
	}
	for _, h := range s.hosts {
		m.hosts[key(h)] = s
	}
	return true
}

func (m *merger) port(s *server) *listenerPort {
	for _, p := range m.ports {
		if p.number == s.port() && p.bind == s.spec.GetBind() {
			return p
		}
	}
	return nil
}

func (m *merger) conflict(s, first *server, field, format string, args ...any) {
	path := s.path(field)
	m.t.diags = append(m.t.diags, diag.Diagnostic{
		Pos:      s.gateway.Position(path),
		Severity: diag.Error,
		Code:     CodeConflict,
		Object:   s.gateway.Key.String(),
		Path:     path,
		Message:  fmt.Sprintf(format, args...),
		Related:  []diag.Related{{Pos: first.gateway.Position(first.path(field)), Message: "the server that is served"}},
	})
}

// isHTTP reports whether a Gateway port's protocol is plain HTTP.
func isHTTP(protocol string) bool {
	switch strings.ToUpper(protocol) {
	case "HTTP", "HTTP2", "GRPC", "GRPC-WEB", "HTTP_PROXY":
		return true
	}
	return false
}

// routeConfigName is gatewayRDSRouteName of istiod's pilot/pkg/model/gateway.go:
// plain servers share the routes of their port, HTTPS servers have their own.
func routeConfigName(s *server, tls bool) string {
	var name string
	if tls {
		name = fmt.Sprintf("https.%d.%s.%s.%s", s.port(), s.spec.GetPort().GetName(), s.gateway.Name, s.gateway.Namespace)
	} else {
		name = fmt.Sprintf("http.%d", s.port())
	}
	if bind := s.spec.GetBind(); bind != "" {
		name += "." + bind
	}
	return name
}
