package fetch_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nlnwa/whatwg-url/url"

	"github.com/crossgate/crossgate/internal/fetch"
	"github.com/crossgate/crossgate/test/vectors"
)

// play plays a vector in the simulator.
func play(v *vectors.Vector, profile fetch.Profile) *fetch.Result {
	const path = "/v"
	browser := fetch.Browser{Profile: profile, Now: time.Now}
	return browser.Fetch(v.Call(vectors.Recorded, path), func(r *fetch.Request) (*fetch.Response, error) {
		u, err := url.Parse(r.URL)
		if err != nil {
			return nil, err
		}
		return v.Answer(vectors.Recorded, path, r.Preflight, u.Pathname()), nil
	})
}

// TestVectors compares the standard's verdicts, as web-platform-tests have them.
func TestVectors(t *testing.T) {
	all, err := vectors.Read()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		r := play(v, fetch.Spec)
		if r.OK() != v.Expect.OK {
			t.Errorf("%s: %v, want %v\n%s", v.ID, r.OK(), v.Expect.OK, steps(r))
			continue
		}
		if len(r.Steps) == 0 || slices.ContainsFunc(r.Steps, func(s fetch.Step) bool { return s.Rule == "" || s.Text == "" }) {
			t.Errorf("%s: a step without its place in the standard\n%s", v.ID, steps(r))
		}
		if want := v.Expect.Preflight; want != nil && r.Preflighted() != *want {
			t.Errorf("%s: preflight %v, want %v\n%s", v.ID, r.Preflighted(), *want, steps(r))
		}
		for name, want := range v.Expect.Visible {
			got, ok := readable(r, name)
			if ok != (want != nil) || ok && got != *want {
				t.Errorf("%s: the page reads %s: %q (%v)\n%s", v.ID, name, got, ok, steps(r))
			}
		}
		if want := strings.ReplaceAll(v.Expect.FinalOrigin, "${ORIGIN}", vectors.Recorded.Page); want != "" {
			if got := r.Exchanges[len(r.Exchanges)-1].Request.Origin(); got != want {
				t.Errorf("%s: the last Origin is %q, want %q", v.ID, got, want)
			}
		}
	}
}

func readable(r *fetch.Result, name string) (string, bool) {
	for _, h := range r.Headers {
		if h.Name == name {
			return h.Value, true
		}
	}
	return "", false
}

// TestChrome compares the codes and console lines that Chrome 147 gave for the same vectors.
func TestChrome(t *testing.T) {
	all, err := vectors.Read()
	if err != nil {
		t.Fatal(err)
	}
	recorded, err := vectors.ReadChrome()
	if err != nil {
		t.Fatal(err)
	}
	hop := regexp.MustCompile(`/r\?id=[-0-9a-f]+&hop=2`)
	o := vectors.Recorded
	for _, v := range all {
		r := play(v, fetch.Today)
		want, refused := recorded[v.ID]
		if !refused && os.Getenv("VECTORS") != "" && os.Getenv("CHROME_ERRORS") == "" {
			continue // nothing is known of other vectors
		}
		if r.OK() == refused {
			t.Errorf("%s: %v, and Chrome's error is %q\n%s", v.ID, r.OK(), want.CorsError, steps(r))
		}
		if r.OK() || !refused {
			continue
		}
		want.Console = strings.NewReplacer("${URL}", v.Call(o, "/v").URL, "${ORIGIN}", o.Page, "${TARGET}", o.Target, "${TARGET2}", o.Target2).
			Replace(hop.ReplaceAllString(want.Console, "/v/to"))
		if got := r.Failure; got.Code != want.CorsError || got.Param != want.Param || got.Console != want.Console {
			t.Errorf("%s: %s %q\n%s\nwant %s %q\n%s", v.ID, got.Code, got.Param, got.Console, want.CorsError, want.Param, want.Console)
		}
	}
}

func steps(r *fetch.Result) string {
	var b strings.Builder
	for _, s := range r.Steps {
		b.WriteString("  " + s.Rule + ": " + s.Text + "\n")
	}
	return b.String()
}
