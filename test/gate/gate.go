package gate

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/crossgate/crossgate/test/envoy"
)

var built struct {
	sync.Once
	dir, bin string
	err      error
}

// Binary returns the crossgate binary under test: $CROSSGATE_BIN, or one built
// from this repository, once a process. A TestMain that may need it calls
// Cleanup last.
func Binary(t testing.TB) string {
	t.Helper()
	built.Do(func() {
		if built.bin = os.Getenv("CROSSGATE_BIN"); built.bin != "" {
			return
		}
		if built.dir, built.err = os.MkdirTemp("", "crossgate"); built.err != nil {
			return
		}
		built.bin = filepath.Join(built.dir, "crossgate")
		cmd := exec.Command("go", "build", "-o", built.bin, "./cmd/crossgate")
		cmd.Dir = envoy.Root()
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.bin
}

// Cleanup removes what Binary built.
func Cleanup() {
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
}

// Gate is a running `crossgate serve`.
type Gate struct {
	*envoy.Process
	offset int
}

// startLimit is how long a gateway may take until it serves.
const startLimit = 20 * time.Second

// Serve starts `crossgate serve` on the paths and waits until the Gateway's port
// 80 accepts connections. It is stopped when the test ends.
func Serve(t testing.TB, paths ...string) *Gate {
	t.Helper()
	return ServeOn(t, 80, paths...)
}

// ServeOn is Serve for a Gateway of another port, with flags among the paths. The
// gateway has a home of its own, and so an authority of its own for --dev-certs.
func ServeOn(t testing.TB, port int, args ...string) *Gate {
	t.Helper()
	g := &Gate{offset: freeOffset()}
	cmd := exec.Command(Binary(t), append([]string{"serve", "--port-offset", strconv.Itoa(g.offset)}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "XDG_CONFIG_HOME=")
	var err error
	if g.Process, err = envoy.Run(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := g.WaitFor(startLimit, func() bool { return accepts(g.Addr(port)) }); err != nil {
		t.Fatal(err)
	}
	return g
}

// Addr returns where the gateway listens for a port of a Gateway resource.
func (g *Gate) Addr(port int) string {
	switch {
	case port == 80:
		port = 8080
	case port == 443:
		port = 8443
	case port < 1024:
		port += 8000
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port+g.offset))
}

// freeOffset returns an offset at which the listener for port 80 and the admin
// port are free.
func freeOffset() int {
	for {
		offset := 4000 + rand.IntN(8000)
		if !accepts(net.JoinHostPort("127.0.0.1", strconv.Itoa(8080+offset))) &&
			!accepts(net.JoinHostPort("127.0.0.1", strconv.Itoa(15000+offset))) {
			return offset
		}
	}
}

func accepts(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// Offset returns the --port-offset that the gateway runs with.
func (g *Gate) Offset() int { return g.offset }

// FreePort returns a port of the loopback address that nobody uses.
func FreePort(t testing.TB) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}
