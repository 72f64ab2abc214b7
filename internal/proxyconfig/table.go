package proxyconfig

import (
	"strconv"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
)

// Table is what a person reads of a configuration.
type Table struct {
	Columns []string
	Rows    [][]string
	// Gap is the least number of blanks between two columns.
	Gap int
}

// istioctl's gaps.
const (
	narrowGap = 1
	wideGap   = 5
)

// TableOptions choose what a table shows.
type TableOptions struct {
	// Verbose adds matches and destinations.
	Verbose bool
	// Typed writes names as TYPE/NAME, and names where there would be none.
	Typed bool
}

func (t *Table) add(cells ...string) { t.Rows = append(t.Rows, cells) }

// owner returns NAME.NAMESPACE of the Istio object that a resource was made of.
// Istio keeps it as the path of the API,
// /apis/networking.istio.io/v1/namespaces/NAMESPACE/KIND/NAME.
func owner(m *corev3.Metadata) string {
	config, ok := m.GetFilterMetadata()["istio"].GetFields()["config"]
	if !ok {
		return ""
	}
	path := config.GetStringValue()
	if !strings.HasPrefix(path, "/apis/networking.istio.io/") {
		return "<unknown>"
	}
	parts := strings.Split(path, "/")
	if len(parts) != 8 {
		return ""
	}
	return parts[7] + "." + parts[5]
}

// atoi is the number of a text, 0 if it is none.
func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

func portText(port uint32) string { return strconv.FormatUint(uint64(port), 10) }
