package upstream

import (
	"context"
	"net"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
)

// Socket protects connections to a host: a compiled transport socket of a cluster.
type Socket interface {
	// Secure begins TLS on a new connection and returns what carries requests. host
	// is the endpoint's name, empty if it has none; name is what the request calls
	// the service, empty where the cluster's connections do not depend on it; http2
	// says what will be spoken. Whoever calls closes nc when Secure fails.
	Secure(ctx context.Context, nc net.Conn, host, name string, http2 bool) (net.Conn, error)
}

// Sockets chooses the socket of an endpoint of a cluster, nil for connections in
// the clear. id tells the sockets of one cluster apart; it stays what it is when a
// certificate in the socket is replaced.
type Sockets func(c *clusterv3.Cluster, e *endpointv3.LbEndpoint) (s Socket, id int)

// hostKey is what makes two endpoints of a cluster the same host.
type hostKey struct {
	address string
	socket  int
}

// protection is what is known of an endpoint for the connections to it.
type protection struct {
	socket Socket
	id     int // of socket
	name   string
}

// hostMaker makes a host of a cluster at an address.
type hostMaker func(address string, p protection) *Host

// sameName reports whether connections for one name serve another: both name the
// same server, in whatever case (of ASCII, as in the DNS).
func sameName(a string, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lowerByte(a[i]) != lowerByte(b[i]) {
			return false
		}
	}
	return true
}

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// byName reports whether the cluster's connections depend on what the request calls
// the service: its name goes into the handshake, or has to be in the certificate.
func byName(o *httpv3.HttpProtocolOptions) bool {
	u := o.GetUpstreamHttpProtocolOptions()
	return u.GetAutoSni() || u.GetAutoSanValidation()
}

// hostName is what an endpoint is called: by its own word, or by the name that has
// to be looked up.
func hostName(c *clusterv3.Cluster, e *endpointv3.LbEndpoint) string {
	if name := e.GetEndpoint().GetHostname(); name != "" {
		return name
	}
	switch c.GetType() {
	case clusterv3.Cluster_STRICT_DNS, clusterv3.Cluster_LOGICAL_DNS:
		return e.GetEndpoint().GetAddress().GetSocketAddress().GetAddress()
	}
	return ""
}

// Name is what the host is called: by the endpoint's own word, or by the name that was
// looked up; empty if it is but an address.
func (h *Host) Name() string { return h.name }

// open makes a connection to the host and protects it as the cluster asks. sock is
// what the kernel has of it, link what carries requests; b notes how it came about.
func (h *Host) open(ctx context.Context, name string, http2 bool, b *Birth) (link, sock net.Conn, err error) {
	b.Begun = time.Now()
	sock, err = h.dial(ctx, "tcp", h.Address)
	if err != nil {
		return nil, nil, err
	}
	b.Connected = time.Now()
	s := h.socket.Load()
	if s == nil {
		return sock, sock, nil
	}
	link, err = (*s).Secure(ctx, sock, h.name, name, http2)
	if err != nil {
		_ = sock.Close()
		return nil, nil, err
	}
	b.Secured = time.Now()
	return link, sock, nil
}

// protect sets what new connections are protected by; those that there are stay as
// they are, as in Envoy after a secret has been replaced.
func (h *Host) protect(s Socket) {
	if s == nil {
		h.socket.Store(nil)
		return
	}
	h.socket.Store(&s)
}
