package upstream

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"

	"github.com/crossgate/crossgate/internal/http2"
)

func host(t *testing.T, breakers *clusterv3.CircuitBreakers, dial Dial) *Host {
	t.Helper()
	s := set(t, nil, &clusterv3.Cluster{Name: "c", CircuitBreakers: breakers, LoadAssignment: load(endpoint{port: 1})}, dial)
	return s.clusters["c"].fixed.hosts[0]
}

// hang dials nothing until the time is up.
func hang(ctx context.Context, _, _ string) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestAHostThatDoesNotAnswerCostsOneTimeout: requests that wait for the same
// connection fail together, not one after the other.
func TestAHostThatDoesNotAnswerCostsOneTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := host(t, nil, hang)
		begin := time.Now()
		var tasks sync.WaitGroup
		for range 50 {
			tasks.Go(func() {
				if _, err := h.Session(t.Context(), 10*time.Second, nil); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Session: %v", err)
				}
			})
		}
		tasks.Wait()
		if d := time.Since(begin); d != 10*time.Second {
			t.Errorf("50 requests took %v, want the one connect timeout", d)
		}
	})
}

// TestARequestThatGivesUpTakesNoOtherWithIt: the time of the request that dials
// is not the others'.
func TestARequestThatGivesUpTakesNoOtherWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := host(t, nil, hang)
		begin := time.Now()
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, _ = h.Session(ctx, 10*time.Second, nil)
		}()
		synctest.Wait()
		if _, err := h.Session(t.Context(), 10*time.Second, nil); err == nil {
			t.Error("no error")
		}
		if d := time.Since(begin); d != 11*time.Second {
			t.Errorf("the second request took %v, want its own connect timeout after the first's second", d)
		}
	})
}

// TestPendingRequestsAreLimitedWhileConnecting: as in Envoy, a request without a
// connection is pending, and the circuit breaker counts it.
func TestPendingRequestsAreLimitedWhileConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := host(t, limited(10, 1), hang)
		var tasks sync.WaitGroup
		tasks.Go(func() { _, _ = h.Session(t.Context(), time.Second, nil) })
		synctest.Wait()
		if _, err := h.Session(t.Context(), time.Second, nil); !errors.Is(err, ErrOverflow) {
			t.Errorf("the second request: %v, want ErrOverflow", err)
		}
		tasks.Wait()
	})
}

// TestSessionsOfARetiredHostEnd: also one that was being made when the host was
// taken out of use.
func TestSessionsOfARetiredHostEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := host(t, nil, func(context.Context, string, string) (net.Conn, error) {
			a, b := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, b) }()
			time.Sleep(time.Second)
			return a, nil
		})
		var tasks sync.WaitGroup
		tasks.Go(func() {
			s, err := h.Session(t.Context(), 10*time.Second, nil)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := s.Open(&http2.Head{Method: []byte("GET")}, true); err != nil {
				t.Errorf("a request of the old program: %v", err)
				return
			}
			synctest.Wait()
			s.Close()
		})
		synctest.Wait()
		h.retire()
		tasks.Wait()
		if _, err := h.Session(t.Context(), 10*time.Second, nil); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * retiredIdle)
		if n := h.limits.connections.Load(); n != 0 {
			t.Errorf("%d connections are left", n)
		}
	})
}
