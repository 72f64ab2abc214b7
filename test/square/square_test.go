package square

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/crossgate/crossgate/test/envoy"
	"github.com/crossgate/crossgate/test/gate"
)

var update = flag.Bool("update", false, "write the answers of the real Envoy into the scripts")

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	gate.Cleanup()
	envoy.ReportSkipped()
	os.Exit(code)
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
			out = append(out, plane{name, gate.Binary(t)})
		default:
			t.Fatalf("SQUARE_CORNERS: unknown corner %q", name)
		}
	}
	return out
}
