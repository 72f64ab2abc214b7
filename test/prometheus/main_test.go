package prometheus

import (
	"os"
	"testing"

	"github.com/crossgate/crossgate/test/envoy"
	"github.com/crossgate/crossgate/test/gate"
)

func TestMain(m *testing.M) {
	code := m.Run()
	gate.Cleanup()
	prometheusTool.ReportSkipped()
	promtool.ReportSkipped()
	envoy.ReportSkipped()
	os.Exit(code)
}
