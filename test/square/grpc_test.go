package square

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/crossgate/crossgate/test/rawhttp"
)

// grpcService echoes payloads in all four kinds of calls.
type grpcService struct {
	testpb.UnimplementedTestServiceServer
}

func (grpcService) UnaryCall(ctx context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	if s := r.GetResponseStatus(); s != nil {
		return nil, status.Error(codes.Code(s.GetCode()), s.GetMessage())
	}
	_ = grpc.SetTrailer(ctx, metadata.Pairs("x-end", "unary"))
	return &testpb.SimpleResponse{Payload: r.GetPayload()}, nil
}

func (grpcService) EmptyCall(ctx context.Context, _ *testpb.Empty) (*testpb.Empty, error) {
	<-ctx.Done() // an answer that does not come
	return nil, ctx.Err()
}

func (grpcService) StreamingOutputCall(r *testpb.StreamingOutputCallRequest, s grpc.ServerStreamingServer[testpb.StreamingOutputCallResponse]) error {
	for _, p := range r.GetResponseParameters() {
		if err := s.Send(&testpb.StreamingOutputCallResponse{Payload: &testpb.Payload{Body: make([]byte, p.GetSize())}}); err != nil {
			return err
		}
	}
	return nil
}

func (grpcService) StreamingInputCall(s grpc.ClientStreamingServer[testpb.StreamingInputCallRequest, testpb.StreamingInputCallResponse]) error {
	n := 0
	for {
		r, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return s.SendAndClose(&testpb.StreamingInputCallResponse{AggregatedPayloadSize: int32(n)})
		}
		if err != nil {
			return err
		}
		n += len(r.GetPayload().GetBody())
	}
}

func (grpcService) FullDuplexCall(s grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
	for {
		r, err := s.Recv()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return err
		}
		if err := s.Send(&testpb.StreamingOutputCallResponse{Payload: r.GetPayload()}); err != nil {
			return err
		}
	}
}

func listenGRPC(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	testpb.RegisterTestServiceServer(srv, grpcService{})
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(srv.Stop)
	return ln.Addr().(*net.TCPAddr).Port
}

// TestGRPC: all kinds of calls pass through both data planes.
func TestGRPC(t *testing.T) {
	b := newBench(t, planesOf(t))
	// The service does not get to know the deadline: it would end the call by itself, at
	// the very moment when the client does.
	text := strings.Replace(fmt.Sprintf(upstreamBootstrap, speaksHTTP2, listenGRPC(t), freePort()),
		"            name: r\n", "            name: r\n            request_headers_to_remove: [grpc-timeout]\n", 1)
	corners := b.corners(text)
	for _, c := range corners {
		t.Run(c.Name, func(t *testing.T) {
			cc, err := grpc.NewClient(c.addrs[c.first], grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority("a.test"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = cc.Close() }()
			callAll(t, testpb.NewTestServiceClient(cc))
		})
	}
}

// TestGRPCStatusLog compares the status of calls in the access log: that of an answer
// is in its trailers, or in its head if it is nothing else.
func TestGRPCStatusLog(t *testing.T) {
	planes := planesOf(t)
	const log = `access_log: [{name: out, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog, log_format: {text_format_source: {inline_string: "GRPC %GRPC_STATUS% %GRPC_STATUS_NUMBER% %GRPC_STATUS(SNAKE_STRING)% %RESPONSE_CODE%\n"}}}}]`
	bootstrap := strings.Replace(fmt.Sprintf(upstreamBootstrap, speaksHTTP2, listenGRPC(t), freePort()), "stat_prefix: s\n", "stat_prefix: s\n          "+log+"\n", 1)
	corners, err := start(planes, t.TempDir(), []byte(bootstrap), rawhttp.NewDesk())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range corners {
		cc, err := grpc.NewClient(c.addrs[c.first], grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority("a.test"))
		if err != nil {
			t.Fatal(err)
		}
		client := testpb.NewTestServiceClient(cc)
		for code := range codes.Code(17) {
			r := &testpb.SimpleRequest{}
			if code != codes.OK {
				r.ResponseStatus = &testpb.EchoStatus{Code: int32(code)}
			}
			if _, err := client.UnaryCall(t.Context(), r); status.Code(err) != code {
				t.Errorf("%s: %v, want %v", c.Name, err, code)
			}
		}
		clientStream(t.Context(), t, client)
		_ = cc.Close()
	}
	if err := stop(corners); err != nil {
		t.Error(err)
	}
	var lines [2][]string
	for i := range lines {
		for line := range strings.Lines(corners[i].proc.Output()) {
			if strings.HasPrefix(line, "GRPC ") {
				lines[i] = append(lines[i], line)
			}
		}
		slices.Sort(lines[i])
	}
	if diff := cmp.Diff(lines[0], lines[1]); diff != "" || len(lines[0]) != 18 {
		t.Errorf("%d lines; (-%s +%s):\n%s", len(lines[0]), planes[0].name, planes[1].name, diff)
	}
}

func callAll(t *testing.T, client testpb.TestServiceClient) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var trailer metadata.MD
	body := make([]byte, 200_000)
	r, err := client.UnaryCall(ctx, &testpb.SimpleRequest{Payload: &testpb.Payload{Body: body}}, grpc.Trailer(&trailer))
	if err != nil || len(r.GetPayload().GetBody()) != len(body) || len(trailer.Get("x-end")) != 1 {
		t.Errorf("unary: %d bytes, trailers %v, %v", len(r.GetPayload().GetBody()), trailer, err)
	}
	_, err = client.UnaryCall(ctx, &testpb.SimpleRequest{ResponseStatus: &testpb.EchoStatus{Code: int32(codes.DataLoss), Message: "gone, ünd %"}})
	if s := status.Convert(err); s.Code() != codes.DataLoss || s.Message() != "gone, ünd %" {
		t.Errorf("status: %v", err)
	}
	short, stop := context.WithTimeout(ctx, 200*time.Millisecond)
	if _, err = client.EmptyCall(short, &testpb.Empty{}); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("deadline: %v", err)
	}
	stop()
	serverStream(ctx, t, client)
	clientStream(ctx, t, client)
	pingPong(ctx, t, client)
}

func serverStream(ctx context.Context, t *testing.T, client testpb.TestServiceClient) {
	sizes := []int32{1, 100_000, 0, 31}
	r := &testpb.StreamingOutputCallRequest{}
	for _, n := range sizes {
		r.ResponseParameters = append(r.ResponseParameters, &testpb.ResponseParameters{Size: n})
	}
	s, err := client.StreamingOutputCall(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range sizes {
		m, err := s.Recv()
		if err != nil || len(m.GetPayload().GetBody()) != int(n) {
			t.Fatalf("server stream: %d bytes, want %d, %v", len(m.GetPayload().GetBody()), n, err)
		}
	}
	if _, err := s.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("server stream: ended with %v", err)
	}
}

func clientStream(ctx context.Context, t *testing.T, client testpb.TestServiceClient) {
	s, err := client.StreamingInputCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if err := s.Send(&testpb.StreamingInputCallRequest{Payload: &testpb.Payload{Body: make([]byte, 30_000)}}); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := s.CloseAndRecv(); err != nil || r.GetAggregatedPayloadSize() != 300_000 {
		t.Errorf("client stream: %v %v", r, err)
	}
}

// pingPong sends the next message only when the last one has come back.
func pingPong(ctx context.Context, t *testing.T, client testpb.TestServiceClient) {
	s, err := client.FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if err := s.Send(&testpb.StreamingOutputCallRequest{Payload: &testpb.Payload{Body: make([]byte, 100*i)}}); err != nil {
			t.Fatal(err)
		}
		if m, err := s.Recv(); err != nil || len(m.GetPayload().GetBody()) != 100*i {
			t.Fatalf("ping pong: %d bytes, want %d, %v", len(m.GetPayload().GetBody()), 100*i, err)
		}
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("ping pong: ended with %v", err)
	}
}
