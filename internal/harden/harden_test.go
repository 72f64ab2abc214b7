package harden

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/crossgate/crossgate/internal/cors"
	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/xds"
)

var update = flag.Bool("update", false, "write the outlines")

// TestCases runs testdata: a bootstrap, options in lines of words, and the outline of
// the routes that come out. What the routes answer is compared with a real Envoy in
// test/square; here one sees what they are.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in, opts := caseInput(t, a)
			before := in.Version
			out, diags := Snapshot(in, opts)
			if in.Seal(); in.Version != before {
				t.Error("the input has changed")
			}
			got := outline(out) + lines(diags)
			for i, f := range a.Files {
				if f.Name != "want" {
					continue
				}
				if *update {
					a.Files[i].Data = []byte(got)
				} else if diff := cmp.Diff(string(f.Data), got); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func caseInput(t *testing.T, a *txtar.Archive) (*xds.Snapshot, Options) {
	t.Helper()
	opts := Options{Objects: map[string]cors.Settings{}}
	var in *xds.Snapshot
	for _, f := range a.Files {
		switch f.Name {
		case "bootstrap.yaml", "trial.yaml":
			s, diags := xds.LoadBootstrap(f.Name, f.Data)
			if s == nil || diags.HasErrors() {
				t.Fatal(diags)
			}
			for key, pos := range s.Origins {
				// The places of the routes stand for those of the policies.
				if rest, ok := strings.CutPrefix(key, "route/"); ok {
					s.Origins["cors/"+rest] = pos
				}
			}
			if f.Name == "trial.yaml" {
				opts.Candidate = tables(s)
			} else {
				in = s
			}
		case "options":
			readOptions(t, string(f.Data), &opts)
		}
	}
	in.Seal()
	return in, opts
}

// tables are the route configurations that listeners carry.
func tables(s *xds.Snapshot) *xds.Snapshot {
	out := &xds.Snapshot{Origins: s.Origins}
	for _, l := range s.Listeners {
		for _, fc := range xds.FilterChains(l) {
			for _, f := range fc.GetFilters() {
				out.Routes = append(out.Routes, xds.ConnectionManager(f).GetRouteConfig())
			}
		}
	}
	return out
}

func readOptions(t *testing.T, text string, o *Options) {
	t.Helper()
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		word, value, _ := strings.Cut(line, " ")
		var err error
		switch word {
		case "enforce":
			o.Settings.Level, err = cors.ParseLevel(value)
		case "report-only":
			o.Settings.ReportOnly, err = cors.ParseLevel(value)
		case "without":
			o.Settings.Without, err = cors.ParseRules(value)
		default:
			err = fmt.Errorf("unknown option %s", word)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func lines(list diag.List) string {
	var b strings.Builder
	for _, d := range list {
		b.WriteString(d.String() + "\n")
	}
	return b.String()
}

// outline prints filters and routes, a line each.
func outline(s *xds.Snapshot) string {
	var b strings.Builder
	for _, l := range s.Listeners {
		for _, fc := range xds.FilterChains(l) {
			for _, f := range fc.GetFilters() {
				m := xds.ConnectionManager(f)
				for _, h := range m.GetHttpFilters() {
					fmt.Fprintf(&b, "filter %s\n", h.GetName())
				}
				for _, vh := range m.GetRouteConfig().GetVirtualHosts() {
					fmt.Fprintf(&b, "host %s\n", vh.GetName())
					for i, r := range vh.GetRoutes() {
						fmt.Fprintf(&b, "  %s\n", describe(r))
						if pos, ok := s.Origins[xds.CorsKey(m.GetRouteConfig().GetName(), vh.GetName(), i)]; ok {
							fmt.Fprintf(&b, "    policy at %s\n", pos)
						}
					}
				}
			}
		}
	}
	return b.String()
}

func describe(r *routev3.Route) string {
	out := []string{r.GetName(), r.GetMatch().GetPrefix() + r.GetMatch().GetPath()}
	for _, h := range r.GetMatch().GetHeaders() {
		sign := "="
		if h.GetInvertMatch() {
			sign = "!="
		}
		value := matcherText(h.GetStringMatch())
		if h.GetStringMatch() == nil {
			value = "present"
		}
		out = append(out, h.GetName()+sign+value)
	}
	out = append(out, "→")
	switch a := r.GetAction().(type) {
	case *routev3.Route_Route:
		out = append(out, a.Route.GetCluster())
	case *routev3.Route_Redirect:
		out = append(out, "redirect")
	case *routev3.Route_DirectResponse:
		out = append(out, fmt.Sprint(a.DirectResponse.GetStatus()))
	}
	if a := r.GetTypedPerFilterConfig()[xds.CorsFilter]; a != nil {
		p := &corsv3.CorsPolicy{}
		if a.UnmarshalTo(p) != nil {
			out = append(out, "cors off")
		} else {
			var origins []string
			for _, m := range p.GetAllowOriginStringMatch() {
				origins = append(origins, matcherText(m))
			}
			out = append(out, "cors["+strings.Join(origins, " ")+"]")
		}
	}
	if r.GetTypedPerFilterConfig()[filterVary] != nil {
		out = append(out, "vary")
	}
	if len(r.GetResponseHeadersToRemove()) > 0 {
		out = append(out, "strip")
	}
	for _, h := range r.GetResponseHeadersToAdd() {
		out = append(out, "+"+h.GetHeader().GetKey())
	}
	return strings.Join(out, " ")
}

func matcherText(m *matcherv3.StringMatcher) string {
	switch p := m.GetMatchPattern().(type) {
	case *matcherv3.StringMatcher_Prefix:
		return p.Prefix + "…"
	case *matcherv3.StringMatcher_SafeRegex:
		return "~" + p.SafeRegex.GetRegex()
	}
	return m.GetExact()
}

// TestVersion: what changes the result changes its version.
func TestVersion(t *testing.T) {
	a, err := txtar.ParseFile("testdata/trial.txtar")
	if err != nil {
		t.Fatal(err)
	}
	version := func(change func(*xds.Snapshot, *Options)) string {
		in, o := caseInput(t, a)
		change(in, &o)
		out, _ := Snapshot(in, o)
		return out.Version
	}
	same := version(func(*xds.Snapshot, *Options) {})
	if again := version(func(*xds.Snapshot, *Options) {}); again != same {
		t.Errorf("the same input: %s and %s", same, again)
	}
	for name, change := range map[string]func(*xds.Snapshot, *Options){
		"content": func(in *xds.Snapshot, _ *Options) { in.Version = "other" },
		"level":   func(_ *xds.Snapshot, o *Options) { o.Settings.Level = cors.Block },
		"object":  func(_ *xds.Snapshot, o *Options) { o.Objects["a/b"] = cors.Settings{Level: cors.Block} },
		"trial":   func(_ *xds.Snapshot, o *Options) { o.Candidate = nil },
		"place": func(in *xds.Snapshot, _ *Options) {
			for key, pos := range in.Origins {
				pos.Line++
				in.Origins[key] = pos
			}
		},
		"forward": func(in *xds.Snapshot, _ *Options) { in.Origins[xds.ForwardKey("table", "a", 0)] = diag.Pos{Line: 1} },
	} {
		if got := version(change); got == same {
			t.Errorf("another %s, the same version", name)
		}
	}
}
