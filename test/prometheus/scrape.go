package prometheus

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/crossgate/crossgate/test/tool"
)

// serviceMonitor is what the operator reads of one.
type serviceMonitor struct {
	Spec struct {
		Selector struct {
			MatchLabels map[string]string `json:"matchLabels"`
		} `json:"selector"`
		Endpoints []struct {
			Port     string `json:"port"`
			Interval string `json:"interval"`
			Path     string `json:"path"`
		} `json:"endpoints"`
	} `json:"spec"`
}

// A scrape is what a configuration says of one place.
type scrape struct {
	path     string
	port     int32
	interval string
}

// scrapeOf finds, as the operator does, what the ServiceMonitor wants of the
// Service: the port by its name.
func scrapeOf(m *serviceMonitor, svc *corev1.Service) (scrape, error) {
	for name, value := range m.Spec.Selector.MatchLabels {
		if svc.Labels[name] != value {
			return scrape{}, fmt.Errorf("the Service has no label %s=%s", name, value)
		}
	}
	for _, e := range m.Spec.Endpoints {
		for _, p := range svc.Spec.Ports {
			if p.Name == e.Port {
				return scrape{e.Path, p.TargetPort.IntVal, e.Interval}, nil
			}
		}
	}
	return scrape{}, fmt.Errorf("the Service has no port that the ServiceMonitor names")
}

// config is a configuration of Prometheus that scrapes the place.
func (s scrape) config(addr, interval string) []byte {
	return fmt.Appendf(nil, `scrape_configs:
  - job_name: istio-ingressgateway
    metrics_path: %s
    scrape_interval: %s
    scrape_timeout: %[2]s
    static_configs:
      - targets: [%q]
`, s.path, interval, addr)
}

// fromDocument returns the block of a document that begins with the comment
// "# NAME".
func fromDocument(t *testing.T, document, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(tool.Root(), document))
	if err != nil {
		t.Fatal(err)
	}
	_, block, ok := strings.Cut(string(text), "\n# "+name+"\n")
	if !ok {
		t.Fatalf("%s has no block %s", document, name)
	}
	block, _, _ = strings.Cut(block, "```")
	return []byte(block)
}

func readYAML(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}
