package square

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossgate/crossgate/internal/cors"
	"github.com/crossgate/crossgate/test/envoy"
	"github.com/crossgate/crossgate/test/policy"
	"github.com/crossgate/crossgate/test/rawhttp"
)

const callsPerDocument = 30

// TestHardenedGuide sends generated calls to the guide's documents under the profile
// hardened: the preflight and the request of each. The engine and Envoy have to
// answer the same, and as the model says of the document.
func TestHardenedGuide(t *testing.T) {
	planes := planesOf(t)
	files, err := filepath.Glob(filepath.Join(envoy.Root(), "test", "scripts", "guide", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	sent, reasons := 0, map[string]int{}
	for n, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s, err := ParseScript(data)
			if err != nil {
				t.Fatal(err)
			}
			hosts := hostsOf(t, s)
			desk := rawhttp.NewDesk()
			corners, err := start(planes, t.TempDir(), bootstrapOf(t, s, desk, profileHardened), desk)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = stop(corners) }()
			for i, h := range hosts {
				for _, c := range h.Calls(uint64(100*n+i), callsPerDocument/len(hosts)+1) {
					for _, r := range []cors.Request{c.Preflight(), c.Request()} {
						want := h.Answer(r)
						sent++
						reasons[fmt.Sprintf("%d %s", want.Status, want.Reason)]++
						askModel(t, corners, c.Host, r, want)
					}
				}
			}
		})
	}
	t.Logf("%d requests; the model says by status and reason: %v", sent, reasons)
	if sent < 400 {
		t.Errorf("%d requests, want 400", sent)
	}
}

// hostsOf reads the hosts of a script's resources.
func hostsOf(t *testing.T, s *Script) []*policy.Host {
	t.Helper()
	var out []*policy.Host
	for _, f := range s.archive.Files {
		if f.Name == requestsFile {
			continue
		}
		data, err := fill(f.Data, func(string) (int, error) { return 1, nil })
		if err != nil {
			t.Fatal(err)
		}
		hosts, err := policy.Hosts(f.Name, data, cors.Settings{Level: cors.Preflight})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, hosts...)
	}
	if len(out) == 0 {
		t.Fatal("no VirtualService")
	}
	return out
}

// askModel sends a request to all corners and compares the answers with the model and
// with each other. What the service itself adds is its own business.
func askModel(t *testing.T, corners []*Corner, host string, r cors.Request, want cors.Answer) {
	t.Helper()
	req := Request{Method: r.Method, Target: r.Path, Fields: rawhttp.Fields{{Name: "Host", Value: host}}}
	for _, name := range []string{"origin", "access-control-request-method", "access-control-request-headers"} {
		if v, ok := r.Headers[name]; ok {
			req.Fields = append(req.Fields, rawhttp.Field{Name: name, Value: v})
		}
	}
	for name, v := range r.Headers {
		if _, sent := req.Fields.Get(name); !sent {
			req.Fields = append(req.Fields, rawhttp.Field{Name: name, Value: v})
		}
	}
	plan := rawhttp.Plan{Fields: rawhttp.Fields{{Name: "Access-Control-Allow-Origin", Value: "*"}, {Name: "Vary", Value: "Accept-Encoding"}}}
	var first []string
	for _, c := range corners {
		a, err := c.do(&Case{Request: req, Plan: plan})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(expected(want, plan), seen(a)); diff != "" {
			t.Errorf("%s %s %v: (-model +%s)\n%s", r.Method, r.Path, r.Headers, c.Name, diff)
		}
		if first == nil {
			first = a.Lines()
		} else if diff := cmp.Diff(first, a.Lines()); diff != "" {
			t.Errorf("%s %s %v: (-%s +%s)\n%s", r.Method, r.Path, r.Headers, corners[0].Name, c.Name, diff)
		}
	}
}
