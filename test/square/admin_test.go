package square

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crossgate/crossgate/test/rawhttp"
	"github.com/crossgate/crossgate/test/tool"
)

// page reads a page of the corner's admin interface, with the ports of its
// listeners replaced by their names.
func (c *Corner) page(t *testing.T, path string) (status int, contentType, body string) {
	t.Helper()
	resp, err := http.Get("http://" + c.admin + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	body = string(data)
	for name, addr := range c.addrs {
		_, port, _ := strings.Cut(addr, ":")
		body = strings.ReplaceAll(strings.ReplaceAll(body, addr, name), `"port_value": `+port, `"port_value": "`+name+`"`)
	}
	return resp.StatusCode, resp.Header.Get("Content-Type"), body
}

// TestAdminPages compares the pages of the admin interfaces: the text of those that
// have one, the keys and values of those in JSON.
func TestAdminPages(t *testing.T) {
	b := newBench(t, planesOf(t))
	corners := b.corners(countersText(t, b))
	for range 4 {
		for _, c := range corners {
			asked("GET", "/ejected", rawhttp.Plan{Status: 500})(c, false)
			asked("GET", "/", rawhttp.Plan{})(c, false)
			time.Sleep(pause)
		}
	}
	time.Sleep(200 * time.Millisecond)
	for _, path := range []string{
		"/clusters", "/clusters?format=json", "/clusters?filter=^e", "/listeners", "/listeners?format=json", "/certs", "/ready", "/server_info",
		"/stats?filter=cors", "/stats?filter=plain.cors&format=json", "/stats?usedonly&filter=ejections&type=Counters",
		"/stats?filter=plain.downstream_rq_time&format=json", "/stats?type=Bogus", "/stats?filter=up.upstream_cx_connect_ms&type=Gauges",
		"/stats/prometheus?filter=plain.cors", "/stats?filter=^listener_manager.(total_listeners_active|listener_(added|removed|create))|^cluster_manager.(active|cluster_(added|modified|removed))",
	} {
		t.Run(path, func(t *testing.T) {
			wantStatus, wantType, want := corners[0].page(t, path)
			for _, c := range corners[1:] {
				status, contentType, got := c.page(t, path)
				if status != wantStatus || mediaType(contentType) != mediaType(wantType) {
					t.Errorf("%d %s, want %d %s", status, contentType, wantStatus, wantType)
				}
				if diff := cmp.Diff(treeOf(t, path, want), treeOf(t, path, got)); diff != "" {
					t.Errorf("(-%s +%s)\n%s", corners[0].Name, c.Name, diff)
				}
			}
		})
	}
}

func mediaType(s string) string {
	s, _, _ = strings.Cut(s, ";")
	return s
}

// masked are the values that differ: times and what the programs are.
var masked = regexp.MustCompile(`^(version|uptime_.*|hot_restart_version|config_path|days_until_expiration)$`)

// notOurs are keys of Envoy's that have no meaning here: command line options and
// what it is built of.
var notOurs = []string{
	"extensions", "user_agent_name", "user_agent_build_version", "hot_restart_initializing", "base_id", "restart_epoch", "parent_shutdown_time",
	"stats_tag", "cpuset_threads", "ignore_unknown_dynamic_fields", "skip_hot_restart_on_no_parent", "skip_hot_restart_parent_stats",
	"enable_fine_grain_logging", "use_dynamic_base_id", "file_flush_interval",
}

// treeOf turns a page into what has to be equal: lines sorted, or a tree with
// what may differ masked.
func treeOf(t *testing.T, path, body string) any {
	t.Helper()
	var tree any
	if err := json.Unmarshal([]byte(body), &tree); err == nil {
		return masking("", tree, path == "/server_info")
	}
	lines := strings.Split(body, "\n")
	slices.Sort(lines)
	return lines
}

// masking replaces the values that may differ. shape keeps of all values only their
// types.
func masking(key string, v any, shape bool) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			if slices.Contains(notOurs, k) {
				continue
			}
			out[k] = masking(k, e, shape)
			if masked.MatchString(k) {
				out[k] = fmt.Sprintf("%T", e)
			}
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			out = append(out, masking(key, e, shape))
		}
		if key == "cluster_statuses" || key == "listener_statuses" || key == "certificates" {
			slices.SortFunc(out, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
		return out
	case float64:
		if key == "cumulative" || key == "interval" {
			return "number"
		}
	case nil:
		if key == "cumulative" || key == "interval" {
			return "number" // of an interval in which there was none
		}
	}
	if shape {
		return fmt.Sprintf("%T", v)
	}
	return v
}

// TestIstioctlReadsClusters: the real istioctl prints the endpoints of both alike.
func TestIstioctlReadsClusters(t *testing.T) {
	istioctl := istioctlTool.Require(t)
	b := newBench(t, planesOf(t))
	corners := b.corners(countersText(t, b))
	for range 4 {
		for _, c := range corners {
			asked("GET", "/ejected", rawhttp.Plan{Status: 500})(c, false)
		}
	}
	var tables []string
	for _, c := range corners {
		_, _, body := c.page(t, "/clusters?format=json")
		file := filepath.Join(t.TempDir(), "clusters.json")
		if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(istioctl, "proxy-config", "endpoints", "-f", file).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", c.Name, err, out)
		}
		lines := strings.Split(string(out), "\n")
		slices.Sort(lines) // it leaves endpoints of one address in any order
		tables = append(tables, strings.Join(lines, "\n"))
	}
	if !strings.Contains(tables[0], "FAILED") {
		t.Errorf("no endpoint is ejected:\n%s", tables[0])
	}
	for _, got := range tables[1:] {
		if diff := cmp.Diff(tables[0], got); diff != "" {
			t.Errorf("(-%s +%s)\n%s", corners[0].Name, corners[1].Name, diff)
		}
	}
}

var istioctlTool = tool.Tool{Name: "istioctl", Part: "istioctl", Variable: "CROSSGATE_ISTIOCTL", Places: []string{"istioctl/istioctl"}}
