package endurance

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crossgate/crossgate/test/gate"
)

const (
	memoryLimit = 64 << 20
	// stalled is the most that may be on the way to a client that does not read:
	// the buffers of the sockets and of the gateway.
	stalled = 32 << 20
)

// TestBodiesInLittleMemory sends a body up and another one down at the same time
// and looks at the memory of the gateway.
func TestBodiesInLittleMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc")
	}
	size := int64(1 << 30)
	if full() {
		size = 10 << 30
	}
	blob := newBlob(t)
	g := gate.Serve(t, folder(t, blob.port))
	eventually(t, 10*time.Second, "the first answer", func() string { return get(g) })

	start := time.Now()
	done := make(chan error, 2)
	go func() { done <- upload(g.Addr(80), size, blob) }()
	go func() { done <- download(g.Addr(80), size) }()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	peak := peakMemory(t, g.Pid())
	t.Logf("%d MB each way in %v, at most %d MB of memory", size>>20, time.Since(start).Round(time.Millisecond), peak>>20)
	if peak > memoryLimit {
		t.Errorf("the gateway used %d MB, want at most %d", peak>>20, memoryLimit>>20)
	}
}

// TestSlowReader holds an answer open without reading it: the gateway must stop
// reading from the upstream instead of keeping the body.
func TestSlowReader(t *testing.T) {
	blob := newBlob(t)
	g := gate.Serve(t, folder(t, blob.port))
	eventually(t, 10*time.Second, "the first answer", func() string { return get(g) })
	c, err := net.Dial("tcp", g.Addr(80))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := fmt.Fprintf(c, "GET /%d HTTP/1.1\r\nHost: %s\r\n\r\n", int64(1)<<30, host); err != nil {
		t.Fatal(err)
	}
	before, steady := int64(-1), 0
	eventually(t, 20*time.Second, "the upstream stalls", func() string {
		n := blob.sent.Load()
		if n > 1<<16 && n == before {
			steady++
		} else {
			before, steady = n, 0
		}
		if steady < 15 {
			return fmt.Sprintf("%d bytes and still sending", n)
		}
		return ""
	})
	if n := blob.sent.Load(); n > stalled {
		t.Errorf("the upstream could send %d MB to a client that reads nothing", n>>20)
	}
}

// upload sends size bytes and checks that the upstream counted them.
func upload(addr string, size int64, b *blob) error {
	req, err := http.NewRequest(http.MethodPost, "http://"+addr+"/up", io.LimitReader(zeros{}, size))
	if err != nil {
		return err
	}
	req.Host, req.ContentLength = host, size
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if n := b.received.Load(); resp.StatusCode != http.StatusOK || n != size {
		return fmt.Errorf("upload: status %d, the upstream received %d bytes of %d", resp.StatusCode, n, size)
	}
	return nil
}

// download asks for size bytes and counts them.
func download(addr string, size int64) error {
	req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://%s/%d", addr, size), nil)
	if err != nil {
		return err
	}
	req.Host = host
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || n != size {
		return fmt.Errorf("download: %d bytes of %d: %w", n, size, err)
	}
	return nil
}

// blob is an upstream that takes and gives bodies of any size: GET /N answers
// with N bytes, anything else counts what it receives.
type blob struct {
	port           int
	received, sent atomic.Int64
}

func newBlob(t *testing.T) *blob {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &blob{port: l.Addr().(*net.TCPAddr).Port}
	srv := &http.Server{Handler: b, ReadHeaderTimeout: time.Minute}
	go func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { _ = srv.Close() })
	return b
}

func (b *blob) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	size, err := strconv.ParseInt(strings.TrimPrefix(r.URL.Path, "/"), 10, 64)
	if err != nil {
		n, _ := io.Copy(io.Discard, r.Body)
		b.received.Store(n)
		return
	}
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	_, _ = io.Copy(io.MultiWriter(w, counter{&b.sent}), io.LimitReader(zeros{}, size))
}

type counter struct{ n *atomic.Int64 }

func (c counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// peakMemory returns the highest resident memory of a process so far, in bytes.
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for s := bufio.NewScanner(f); s.Scan(); {
		if kb, ok := strings.CutPrefix(s.Text(), "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(kb), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatal("no VmHWM")
	return 0
}
