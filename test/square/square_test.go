package square

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/crossgate/crossgate/test/envoy"
)

var update = flag.Bool("update", false, "write the answers of the real Envoy into the scripts")

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
	envoy.ReportSkipped()
	os.Exit(code)
}

var built struct {
	sync.Once
	dir, bin string
	err      error
}

// crossgate returns the binary under test: $CROSSGATE_BIN, or one built now.
func crossgate(t testing.TB) string {
	t.Helper()
	built.Do(func() {
		if built.bin = os.Getenv("CROSSGATE_BIN"); built.bin != "" {
			return
		}
		if built.dir, built.err = os.MkdirTemp("", "square"); built.err != nil {
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

// planesOf returns the data planes that $SQUARE_CORNERS names; by default the
// real Envoy, which is the first because it is right, and the engine.
func planesOf(t testing.TB) (out []plane) {
	t.Helper()
	names := os.Getenv("SQUARE_CORNERS")
	if names == "" {
		names = "envoy,engine"
	}
	for name := range strings.SplitSeq(names, ",") {
		switch name {
		case "envoy":
			out = append(out, plane{name, envoy.Require(t)})
		case "engine":
			out = append(out, plane{name, crossgate(t)})
		default:
			t.Fatalf("SQUARE_CORNERS: unknown corner %q", name)
		}
	}
	return out
}
