package advise

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/proto"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/engine"
	"github.com/crossgate/crossgate/internal/fetch"
	"github.com/crossgate/crossgate/internal/xds"
)

// gateway is a configuration that is served in this process, by the engine that serve runs, for requests one after the
// other. One service stands behind it in the place of all others.
type gateway struct {
	snapshot *xds.Snapshot
	ports    xds.Ports
	engine   *engine.Engine
	traces   chan *engine.Trace
	service  *http.Server
	// addresses are where the listeners are, by their port as written.
	addresses map[uint32]string
}

// serviceAnswer is what the service says to everything: nothing of CORS, as most services.
func serviceAnswer(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.WriteHeader(http.StatusOK)
}

// newGateway serves the snapshot on free ports of the loopback address. The service speaks HTTP/1.1 and, unless http1 says that it
// speaks nothing else, HTTP/2.
func newGateway(s *xds.Snapshot, ports xds.Ports, http1 bool) (*gateway, diag.List, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	g := &gateway{ports: ports, traces: make(chan *engine.Trace, 1), addresses: map[uint32]string{}}
	g.service = &http.Server{Handler: http.HandlerFunc(serviceAnswer), Protocols: &http.Protocols{}, ReadHeaderTimeout: time.Minute}
	g.service.Protocols.SetHTTP1(true)
	g.service.Protocols.SetUnencryptedHTTP2(!http1)
	go func() { _ = g.service.Serve(l) }() // until Close
	g.snapshot = withService(s, l.Addr().(*net.TCPAddr))
	if g.snapshot.Secrets, err = withCertificate(s.Secrets); err != nil {
		return nil, nil, errors.Join(err, g.service.Close())
	}
	g.engine = engine.New(engine.Options{
		Stdout: io.Discard,
		Trace:  func(t *engine.Trace) { g.traces <- t },
		Listen: func(ctx context.Context, _, _ string) (net.Listener, error) {
			return (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		},
	})
	diags := g.engine.Publish(g.snapshot)
	written := map[string]uint32{}
	for _, l := range s.Listeners {
		written[l.GetName()] = l.GetAddress().GetSocketAddress().GetPortValue()
	}
	for _, l := range g.engine.Listeners() {
		g.addresses[written[l.Name]] = l.Addr.String()
	}
	return g, diags, nil
}

func (g *gateway) close() error { return errors.Join(g.engine.Close(), g.service.Close()) }

// withService is the snapshot with one endpoint behind all clusters. Where a cluster leads to is none of CORS's business; TLS to
// services and their health are left out with it, but not the protocol.
func withService(s *xds.Snapshot, at *net.TCPAddr) *xds.Snapshot {
	out := *s
	out.Clusters, out.Endpoints = nil, nil
	for _, c := range s.Clusters {
		switch c.GetType() {
		case clusterv3.Cluster_STATIC, clusterv3.Cluster_STRICT_DNS, clusterv3.Cluster_LOGICAL_DNS, clusterv3.Cluster_EDS:
			c = proto.Clone(c).(*clusterv3.Cluster)
			c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}
			c.EdsClusterConfig, c.TransportSocket, c.TransportSocketMatches, c.HealthChecks, c.OutlierDetection = nil, nil, nil, nil, nil
			c.LbPolicy, c.LbConfig = clusterv3.Cluster_ROUND_ROBIN, nil
			c.LoadAssignment = endpointAt(c.GetName(), at)
		}
		out.Clusters = append(out.Clusters, c)
	}
	return &out
}

func endpointAt(cluster string, at *net.TCPAddr) *endpointv3.ClusterLoadAssignment {
	address := xds.SocketAddress(at.IP.String(), uint32(at.Port))
	return &endpointv3.ClusterLoadAssignment{ClusterName: cluster, Endpoints: []*endpointv3.LocalityLbEndpoints{{
		LbEndpoints: []*endpointv3.LbEndpoint{{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: address}},
		}},
	}}}
}

// address is where the gateway listens for a URL: on the port that the configuration says, or on the one that serve maps
// it to.
func (g *gateway) address(u *url.URL) (string, bool) {
	port := uint32(80)
	if u.Scheme == "https" {
		port = 443
	}
	if n, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
		port = uint32(n)
	}
	if a, ok := g.addresses[port]; ok {
		return a, true
	}
	for written, a := range g.addresses {
		if _, mapped := g.ports.Map("", written); mapped == port {
			return a, true
		}
	}
	return "", false
}

// traceLimit is how long after an answer its trace may come.
const traceLimit = 5 * time.Second

// answerLimit is how long the gateway may take for an answer.
const answerLimit = 30 * time.Second

// ask sends a request to the gateway as a browser would. Without an answer there is no trace.
func (g *gateway) ask(r *fetch.Request) (*fetch.Response, *engine.Trace, error) {
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil, nil, err
	}
	address, ok := g.address(u)
	if !ok {
		return nil, nil, fmt.Errorf("the gateway does not listen for %s://%s", u.Scheme, u.Host)
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, r.Method, r.URL, nil)
	if err != nil {
		return nil, nil, err
	}
	for _, h := range r.Headers {
		request.Header.Add(h.Name, h.Value)
	}
	transport := &http.Transport{
		DisableKeepAlives: true, DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the gateway is this process
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return nil, nil, err
	}
	out := &fetch.Response{Status: response.StatusCode}
	for name, values := range response.Header {
		for _, v := range values {
			out.Headers = append(out.Headers, fetch.Field{Name: name, Value: v})
		}
	}
	select {
	case t := <-g.traces:
		return out, t, nil
	case <-time.After(traceLimit):
		return nil, nil, errors.New("the gateway does not tell how it came to its answer")
	}
}
