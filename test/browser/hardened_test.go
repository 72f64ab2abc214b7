package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/crossgate/crossgate/internal/cors"
	"github.com/crossgate/crossgate/test/envoy"
	"github.com/crossgate/crossgate/test/policy"
)

const callsPerDocument = 35

// TestHardenedGuide makes generated calls of pages to the guide's documents under
// the profile hardened: the browser has to let a page read what the policies promise
// it, and nothing else.
func TestHardenedGuide(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(envoy.Root(), "test", "scripts", "guide", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	var s *stage
	pages := map[string]*page{}
	made, read, refused := 0, 0, 0
	for n, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		document, ok := virtualServiceOf(t, file)
		if !ok {
			continue
		}
		if s == nil {
			s = playProfile(t, document, "hardened")
		} else {
			s.change(t, document)
		}
		hosts, err := policy.Hosts(name, []byte(document), cors.Settings{Level: cors.Preflight})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range hosts[0].Calls(uint64(n), callsPerDocument) {
			if pages[c.Origin] == nil {
				pages[c.Origin] = s.browser.open(c.Origin + "/")
			}
			// Another query is another entry of the cache of preflights.
			made++
			c.Path += fmt.Sprintf("?%d", made)
			want := promised(hosts[0], c)
			got := pages[c.Origin].fetch(api+c.Path, initOf(c))
			switch {
			case want && got.Error != "":
				t.Errorf("%s: %+v: refused with %s, and the policy allows it", name, c, got.Failed)
			case !want && got.Error == "":
				t.Errorf("%s: %+v: the page reads an answer %d, and the policy forbids it", name, c, got.Status)
			case want:
				read++
			default:
				refused++
			}
		}
	}
	t.Logf("%d calls: %d read, %d refused", made, read, refused)
	if made < 400 || read < 100 || refused < 100 {
		t.Errorf("%d calls, %d of them read and %d refused: the test shows less than it says", made, read, refused)
	}
}

// promised reports whether the document lets the page read the answer of a call.
func promised(h *policy.Host, c policy.Call) bool {
	if c.NeedsPreflight() && !c.Permits(h.Answer(c.Preflight())) {
		return false
	}
	return c.Readable(h.Answer(c.Request()))
}

func initOf(c policy.Call) fields {
	headers := fields{}
	for _, h := range c.Headers {
		headers[h] = "1"
		if h == "content-type" {
			headers[h] = "application/json"
		}
	}
	init := fields{"method": c.Method, "headers": headers}
	if c.Credentials {
		init["credentials"] = "include"
	}
	return init
}

// virtualServiceOf returns the document of a script, if it is a VirtualService for
// the host of the API.
func virtualServiceOf(t *testing.T, file string) (string, bool) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), "-- guide.yaml --") {
		return "", false
	}
	document := guideDocument(t, strings.TrimSuffix(filepath.Base(file), ".txtar"))
	// Two documents are for gateways of other names; here there is one.
	document = strings.NewReplacer("production-gateway", "api-gateway", "development-gateway", "api-gateway").Replace(document)
	hosts, err := policy.Hosts(file, []byte(document), cors.Settings{})
	if err != nil || len(hosts) == 0 {
		return "", false
	}
	return document, slices.ContainsFunc(hosts[:1], func(h *policy.Host) bool { return h.Name == "api.example.com" }) && !strings.Contains(document, "kind: Gateway")
}
