package translate

import (
	"os"
	"testing"

	"github.com/crossgate/crossgate/test/envoy"
)

func TestMain(m *testing.M) {
	code := m.Run()
	envoy.ReportSkipped()
	os.Exit(code)
}
