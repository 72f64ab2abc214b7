package square

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossgate/crossgate/internal/cors"
	"github.com/crossgate/crossgate/test/rawhttp"
)

const perGuarded = 20 // requests to one host

// TestHardened sends $SQUARE_N generated requests to hosts with generated routes and
// policies under the profile hardened, at all levels and with rules left out. Three
// have to agree: the engine and Envoy to the byte, and both with the model in
// internal/cors. A fifth of the requests goes over HTTP/2.
func TestHardened(t *testing.T) {
	planes := planesOf(t)
	n, seed := generated(t)
	t.Logf("SQUARE_SEED=%d SQUARE_N=%d", seed, n)
	g := newGenerator(seed)
	b := newBench(t, planes)
	type knock struct {
		host *guarded
		req  Request
		plan rawhttp.Plan
	}
	var hosts []*guarded
	var knocks []knock
	for len(knocks) < n {
		h := g.guard(len(hosts))
		hosts = append(hosts, h)
		for range perGuarded {
			req, plan := g.knock(h)
			knocks = append(knocks, knock{h, req, plan})
		}
	}
	text, _, err := hardened(hosts, uint32(b.up.Port()))
	if err != nil {
		t.Fatal(err)
	}
	corners, err := start(planes, t.TempDir(), text, b.desk)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stop(corners) }()
	var mu sync.Mutex
	reasons, bad := map[string]int{}, 0
	fail := func(k knock, format string, args ...any) {
		if bad++; bad <= 10 {
			t.Errorf("%s %s %v\nhost: %+v\n%s", k.req.Method, k.req.Target, k.req.Fields, describeGuarded(k.host), fmt.Sprintf(format, args...))
		}
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(knocks); i += workers {
				k := knocks[i]
				var answers []Answer
				for _, c := range corners {
					send := c.do
					if i%5 == 0 {
						send = c.doHTTP2
					}
					a, err := send(&Case{Request: k.req, Plan: k.plan})
					if err != nil {
						t.Error(err)
						return
					}
					answers = append(answers, a)
				}
				authority, _ := k.req.Fields.Get("Host")
				want := k.host.at(authority).Answer(modelRequest(k.req))
				mu.Lock()
				reasons[fmt.Sprintf("%d %s", answers[0].Response.Status, want.Reason)]++
				for _, a := range answers[1:] {
					if diff := cmp.Diff(answers[0].Lines(), a.Lines()); diff != "" {
						fail(k, "(-%s +other)\n%s", corners[0].Name, diff)
					}
				}
				if diff := cmp.Diff(expected(want, k.plan), seen(answers[0])); diff != "" {
					fail(k, "(-model +%s)\n%s", corners[0].Name, diff)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Logf("answers by status and reason: %v", reasons)
	if bad > 0 {
		t.Errorf("%d of %d requests are answered differently (SQUARE_SEED=%d SQUARE_N=%d)", bad, len(knocks), seed, n)
	}
	for _, r := range []string{"403 origin", "403 method", "403 headers", "403 block", "200 ", "404 "} {
		if reasons[r] == 0 && n >= 2000 {
			t.Errorf("no answer is %q: the test shows less than it says", r)
		}
	}
}

func describeGuarded(h *guarded) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", h.domains)
	for _, r := range h.routes {
		fmt.Fprintf(&b, "  %v %q level=%v without=%07b action=%v", r.Path.Kind, r.Path.Text, r.Settings.Level, r.Settings.Without, r.Action)
		for _, c := range r.Conditions {
			fmt.Fprintf(&b, " if(%s %v invert=%v)", c.Name, c.Value, c.Invert)
		}
		if r.Policy != nil {
			fmt.Fprintf(&b, " policy %+v", *r.Policy)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// facts are what the model speaks of.
type facts struct {
	Status int
	Called bool
	CORS   map[string]string
	Vary   string
}

func gather(f rawhttp.Fields) (map[string]string, string) {
	out, vary := map[string]string{}, []string{}
	for _, l := range f {
		name := strings.ToLower(l.Name)
		if name == "vary" {
			vary = append(vary, l.Value)
		}
		// An echo of nothing is an empty header.
		if strings.HasPrefix(name, "access-control-") && l.Value != "" {
			if old, ok := out[name]; ok {
				l.Value = old + "," + l.Value
			}
			out[name] = l.Value
		}
	}
	return out, strings.Join(vary, ",")
}

func seen(a Answer) facts {
	h, vary := gather(a.Response.Fields)
	return facts{a.Response.Status, len(a.Upstream) > 0, h, vary}
}

// expected is what the model says, on top of what the service sent if it was called.
func expected(want cors.Answer, plan rawhttp.Plan) facts {
	out := facts{Status: want.Status, Called: want.Status == 0, CORS: map[string]string{}}
	if out.Called {
		out.Status = 200
		out.CORS, out.Vary = gather(plan.Fields)
		if want.Strip {
			out.CORS = map[string]string{}
		}
	}
	set := func(name, value string) {
		if value != "" {
			out.CORS["access-control-"+name] = value
		}
	}
	set("allow-origin", want.AllowOrigin)
	set("allow-methods", want.AllowMethods)
	set("allow-headers", want.AllowHeaders)
	set("max-age", want.MaxAge)
	set("expose-headers", want.Expose)
	if want.Credentials {
		set("allow-credentials", "true")
	}
	if want.Vary {
		names := strings.FieldsFunc(out.Vary, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
		if !slices.ContainsFunc(names, func(n string) bool { return n == "*" || strings.EqualFold(n, "origin") }) {
			out.Vary = strings.TrimPrefix(out.Vary+", Origin", ", ")
		}
	}
	return out
}
