package prometheus

import (
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/crossgate/crossgate/test/gate"
	"github.com/crossgate/crossgate/test/tool"
)

// TestGRPC: what a real client of gRPC is answered by a real server, and by the
// gateway where there is no route, is counted by the status that it saw.
func TestGRPC(t *testing.T) {
	prometheusTool.Require(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	healthpb.RegisterHealthServer(srv, health.NewServer())
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(srv.Stop)
	g := gate.ServeOn(t, 80, filepath.Join(tool.Root(), "test/prometheus/testdata/grpc.yaml"), "--upstream", "health.shop:9000="+ln.Addr().String())
	p := startPrometheus(t, scrape{path: "/stats/prometheus"}.config(g.Addr(15090), interval))
	cc, err := grpc.NewClient(g.Addr(80), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cc.Close() }()
	want := map[string]float64{}
	for method, calls := range map[string]map[string]codes.Code{
		healthpb.Health_Check_FullMethodName: {"": codes.OK, "nothing": codes.NotFound},
		"/no.such.Service/Method":            {"": codes.Unimplemented},
	} {
		for name, code := range calls {
			for range 3 {
				err := cc.Invoke(t.Context(), method, &healthpb.HealthCheckRequest{Service: name}, &healthpb.HealthCheckResponse{})
				if status.Code(err) != code {
					t.Fatalf("%s of %q: %v, want %v", method, name, err, code)
				}
				want[fmt.Sprint(uint32(code))]++
			}
		}
	}
	var got map[string]float64
	err = p.WaitFor(30*time.Second, func() bool {
		got = map[string]float64{}
		for _, s := range p.query(t, `istio_requests_total{request_protocol="grpc", request_method="POST", response_code="200"}`, 0) {
			got[s.labels["grpc_response_status"]] += s.value
		}
		return fmt.Sprint(got) == fmt.Sprint(want)
	})
	if err != nil {
		t.Errorf("%v\ncounted %v, want %v", err, got, want)
	}
}
