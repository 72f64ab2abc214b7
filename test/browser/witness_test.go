package browser

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/crossgate/crossgate/internal/check"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/source"
	"github.com/crossgate/crossgate/test/tool"
)

// witnesses are the origins that the checks' own documents are found with.
func witnesses(t *testing.T) []string {
	files, err := filepath.Glob(filepath.Join(tool.Root(), "internal/check/testdata/*/wrong.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal("no documents", err)
	}
	var out []string
	for _, file := range files {
		update := source.Load([]string{file}, strings.NewReader(""), resource.ParseOptions{DefaultNamespace: "default"})
		set, _ := resource.NewSet(update.Resources())
		for _, d := range check.Run(set, check.Options{}) {
			out = append(out, d.Witnesses...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestWitnessesAreSent opens a page of each witness in a real Chromium, which has to send exactly that Origin. All names are
// this machine, where only HTTP is spoken: a witness with https is tried with http, for its host.
func TestWitnessesAreSent(t *testing.T) {
	var mu sync.Mutex
	var origin string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/asked" {
			origin = r.Header.Get("Origin")
		}
		w.Header().Set("Content-Type", "text/html")
	}))
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	tab := start(t, []string{"MAP * " + address.Host}, nil).open("http://start.test/")
	all := witnesses(t)
	tried := 0
	for _, w := range all {
		if w == "null" {
			continue // of a sandboxed frame: no address has it
		}
		want := "http" + strings.TrimPrefix(strings.TrimPrefix(w, "https"), "http")
		if err := tab.visit(want + "/"); err != nil {
			t.Errorf("%s cannot be opened: %v", w, err)
			continue
		}
		var done bool
		tab.eval(`fetch("http://collector.test/asked").then(() => true, () => true)`, &done)
		mu.Lock()
		if origin != want {
			t.Errorf("%s: Chromium sends %q", w, origin)
		}
		origin = ""
		mu.Unlock()
		tried++
	}
	if tried < 30 {
		t.Errorf("%d of %d witnesses were tried", tried, len(all))
	}
	t.Logf("%d witnesses", tried)
}
