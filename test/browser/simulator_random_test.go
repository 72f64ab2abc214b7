package browser

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/crossgate/crossgate/internal/fetch"
	"github.com/crossgate/crossgate/test/tool"
)

// TestSimulator plays random calls and answers (SIMULATOR_N of them, from SIMULATOR_SEED) in a real Chromium and in the
// simulator.
func TestSimulator(t *testing.T) {
	n, seed := tool.Number(t, "SIMULATOR_N", 400), tool.Seed(t, "SIMULATOR_SEED", 20261125)
	p := newPlayground(t)
	tab := start(t, nil, nil).open(p.origins.Page + "/")
	for i := range n {
		g := &situations{rand.New(rand.NewPCG(seed, uint64(i))), p}
		s := g.situation(fmt.Sprintf("/%d", i))
		if diff := p.compare(tab, s); diff != "" {
			t.Errorf("SIMULATOR_SEED=%d, situation %d: %+v\n%s", seed, i, s.call, diff)
		}
	}
}

// situations makes random situations, of values that are near a decision.
type situations struct {
	*rand.Rand
	p *playground
}

func (g *situations) one(values ...string) string { return values[g.IntN(len(values))] }

// rarely is true once in n times.
func (g *situations) rarely(n int) bool { return g.IntN(n) == 0 }

func (g *situations) situation(path string) *situation {
	c := fetch.Call{Page: g.p.origins.Page, URL: g.place() + path}
	c.Method = g.one("", "GET", "POST", "PUT", "put", "PATCH", "patch", "DELETE", "HEAD", "OPTIONS", "get", "OK")
	c.Credentials = fetch.Credentials(g.one("", "omit", "same-origin", "include", "include"))
	c.Mode = fetch.Mode(g.one("", "", "", "", "cors", "same-origin", "no-cors"))
	c.Redirect = fetch.Redirect(g.one("", "", "", "", "follow", "error", "manual"))
	for range g.IntN(4) {
		c.Headers = append(c.Headers, g.header())
	}
	// One answer for each URL and kind of request, made when it is first asked for, so that both sides get the same.
	answers := map[string]*fetch.Response{}
	seed := g.Uint64()
	return &situation{call: c, answer: func(origin, path string, preflight bool) *fetch.Response {
		key := fmt.Sprint(origin, path, preflight)
		if answers[key] == nil {
			own := &situations{rand.New(rand.NewPCG(seed, uint64(len(path))*8+uint64(len(origin))*2+map[bool]uint64{true: 1}[preflight])), g.p}
			answers[key] = own.response(c, path, preflight)
		}
		return answers[key]
	}}
}

func (g *situations) place() string {
	return g.one(g.p.origins.Page, g.p.origins.Target, g.p.origins.Target, g.p.origins.Target, g.p.origins.Target2)
}

func (g *situations) header() fetch.Field {
	name := g.one("accept", "Accept-Language", "content-language", "Content-Type", "content-type", "range", "X-One", "x-two", "Authorization", "Cookie", "sec-x")
	value := g.one("a", "", "text/plain", "text/plain;charset=utf-8", "application/json", "multipart/form-data; boundary=x", "text / plain", "text/plain ;a",
		"TEXT/PLAIN", "bytes=0-", "bytes=-5", "bytes=0-10", "bytes=10-5", "bytes=01-2", "bytes=0-1,3-4", "bytes = 0-", "de-DE, en;q=0.5", "a:b", "(a)", "{", "a_b",
		strings.Repeat("a", 128), strings.Repeat("a", 129))
	return fetch.Field{Name: name, Value: value}
}

func (g *situations) response(c fetch.Call, path string, preflight bool) *fetch.Response {
	r := &fetch.Response{Status: 200}
	add := func(name, value string) { r.Headers = append(r.Headers, fetch.Field{Name: name, Value: value}) }
	if g.rarely(8) {
		r.Status = []int{201, 204, 299, 400, 401, 403, 404, 500, 503}[g.IntN(9)]
	}
	if g.rarely(5) && (!preflight || g.rarely(4)) && strings.Count(path, "/") < 4 {
		r.Status = []int{301, 302, 303, 307, 308}[g.IntN(5)]
		if !g.rarely(8) {
			place := g.place()
			if g.rarely(8) {
				place = strings.Replace(place, "://", "://user:pw@", 1)
			}
			add("Location", g.one(place+path+"/n", place+path+"/n", path+"/n", place+path+"/n?q=1"))
		}
	}
	for range 1 + g.rare(10) - g.rare(10) {
		add("Access-Control-Allow-Origin", g.allowed(c))
	}
	for range 1 + g.rare(12) - g.rare(4) {
		add("Access-Control-Allow-Credentials", g.one("true", "true", "true", "true", "True", "false", "", " true "))
	}
	if preflight {
		g.lists(c, add)
		return r
	}
	add("X-Seen", "1")
	add("Content-Language", "de")
	for range g.IntN(3) {
		add("Access-Control-Expose-Headers", g.one("x-seen", "*", "X-Seen,", ",", "x seen", "x-other, x-seen", "", "x-seen;a", "set-cookie"))
	}
	return r
}

// rare is 1 once in n times, else 0.
func (g *situations) rare(n int) int {
	if g.rarely(n) {
		return 1
	}
	return 0
}

func (g *situations) allowed(c fetch.Call) string {
	if !g.rarely(4) {
		return g.one(c.Page, c.Page, "*", "null")
	}
	return g.one("", "*, *", c.Page+"/", c.Page+","+c.Page, strings.ToUpper(c.Page), "localhost", "https://", "http://a b", "http://[", "1:2", "https://x.test",
		"http:localhost", "file:///x", "data:,", "/", "-", "x:", "http://%zz", "http://a:99999", " "+c.Page+"\t", "http://1.2.3.4.5", "http://ex%41mple")
}

func (g *situations) lists(c fetch.Call, add func(name, value string)) {
	method := cmp.Or(c.Method, "GET")
	for range 1 + g.rare(8) - g.rare(6) {
		add("Access-Control-Allow-Methods", g.one(method, strings.ToUpper(method), strings.ToUpper(method), "*", "GET, POST,,"+method, "PUT;DELETE", "", "a b"))
	}
	for range 1 + g.rare(8) - g.rare(6) {
		add("Access-Control-Allow-Headers", g.one("*", "x-one, x-two, authorization", "X-One, content-type,accept,Content-Language, accept-language, range,x-two",
			"x-one,x-two,authorization,content-type,accept,content-language,accept-language,range", "x-one x-two", ",", "x-one;q=1"))
	}
	if g.rarely(3) {
		add("Access-Control-Max-Age", g.one("0", "-1", "60", "x"))
	}
}
