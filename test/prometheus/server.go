package prometheus

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/crossgate/crossgate/test/envoy"
	"github.com/crossgate/crossgate/test/tool"
)

var (
	prometheusTool = tool.Tool{Name: "Prometheus", Part: "prometheus", Variable: "CROSSGATE_PROMETHEUS", Places: []string{"prometheus/prometheus", "prometheus"}}
	promtool       = tool.Tool{Name: "promtool", Part: "prometheus", Variable: "CROSSGATE_PROMTOOL", Places: []string{"prometheus/promtool", "promtool"}}
)

// server is a running Prometheus.
type server struct {
	*envoy.Process
	url string
}

// startPrometheus runs a Prometheus with the configuration until the test ends.
func startPrometheus(t *testing.T, config []byte) *server {
	t.Helper()
	bin := prometheusTool.Require(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	addr := freeAddress(t)
	p, err := envoy.Run(exec.Command(bin, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+addr, "--log.level=warn"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := &server{p, "http://" + addr}
	err = p.WaitFor(30*time.Second, func() bool {
		res, err := http.Get(s.url + "/-/ready")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// sample is one value of an answer.
type sample struct {
	labels map[string]string
	at     float64 // seconds since 1970
	value  float64
}

// series are the samples of one series in a range.
type series struct {
	labels  map[string]string
	samples []sample
}

type response struct {
	Status string
	Error  string
	Data   struct {
		ResultType string
		Result     []struct {
			Metric map[string]string
			Value  [2]any
			Values [][2]any
		}
	}
}

// query evaluates an expression that gives an instant vector; at is in seconds
// since 1970, 0 for now.
func (s *server) query(t *testing.T, expr string, at float64) []sample {
	t.Helper()
	var out []sample
	for _, r := range s.ask(t, expr, at, "vector").Data.Result {
		out = append(out, point(t, r.Metric, r.Value))
	}
	return out
}

// matrix evaluates a range selector: the raw samples.
func (s *server) matrix(t *testing.T, expr string) []series {
	t.Helper()
	var out []series
	for _, r := range s.ask(t, expr, 0, "matrix").Data.Result {
		one := series{labels: r.Metric}
		for _, v := range r.Values {
			one.samples = append(one.samples, point(t, r.Metric, v))
		}
		out = append(out, one)
	}
	return out
}

func (s *server) ask(t *testing.T, expr string, at float64, kind string) response {
	t.Helper()
	q := url.Values{"query": {expr}}
	if at != 0 {
		q.Set("time", strconv.FormatFloat(at, 'f', 3, 64))
	}
	var r response
	s.get(t, "/api/v1/query?"+q.Encode(), &r)
	if r.Status != "success" || r.Data.ResultType != kind {
		t.Fatalf("query %s: %s, a %s, %s", expr, r.Status, r.Data.ResultType, r.Error)
	}
	return r
}

func (s *server) get(t *testing.T, path string, into any) {
	t.Helper()
	res, err := http.Get(s.url + path)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.Output())
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func point(t *testing.T, labels map[string]string, v [2]any) sample {
	t.Helper()
	at, _ := v[0].(float64)
	value, err := strconv.ParseFloat(fmt.Sprint(v[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return sample{labels, at, value}
}

// target is a place that Prometheus scrapes, as it sees it.
type target struct {
	ScrapeURL, Health, LastError string
	ScrapeInterval               string
}

func (s *server) targets(t *testing.T) []target {
	t.Helper()
	var r struct {
		Data struct{ ActiveTargets []target }
	}
	s.get(t, "/api/v1/targets", &r)
	return r.Data.ActiveTargets
}
