package square

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/crossgate/crossgate/test/gate"
	"github.com/crossgate/crossgate/test/rawhttp"
	"github.com/crossgate/crossgate/test/tool"
)

const (
	perSite = 25 // requests to one site
	tables  = 5  // route configurations in one bootstrap
	workers = 4
	// shrunk is how many kinds of differences are made small and printed in full.
	shrunk = 5
	// shrinkLimit is how long that may take.
	shrinkLimit = 40 * time.Second
)

// generated reads how many requests are generated, and from which seed.
func generated(t *testing.T) (n int, seed uint64) {
	t.Helper()
	return tool.Number(t, "SQUARE_N", 2000), tool.Seed(t, "SQUARE_SEED", 1)
}

// TestGenerated sends $SQUARE_N generated requests (2,000) to as many generated
// policies, from the seed $SQUARE_SEED (1; "random" chooses one), and compares
// the engine with Envoy. A difference is made small and printed as a script.
func TestGenerated(t *testing.T) {
	planes := planesOf(t)
	n, seed := generated(t)
	g := newGenerator(seed)
	policies := make([]*corsv3.CorsPolicy, tables) // the first one stays without
	for i := 1; i < tables; i++ {
		policies[i] = g.policy()
	}
	b := newBench(t, planes)
	b.layout = func(sites []*site) ([]byte, map[*site]address, error) {
		return layout(sites, uint32(b.up.Port()), uint32(b.dead))
	}
	b.compare(n, seed, func() *site { return g.site(policies[g.IntN(tables)]) }, g.probe)
}

// TestGeneratedRoutes does the same with generated VirtualServices: matches,
// policies, header mutations, rewrites, redirects, retries, faults. The binary
// translates them; both corners run its translation.
func TestGeneratedRoutes(t *testing.T) {
	planes := planesOf(t)
	n, seed := generated(t)
	g := newGenerator(seed)
	b := newBench(t, planes)
	bin := gate.Binary(t)
	b.layout = func(sites []*site) ([]byte, map[*site]address, error) {
		return layoutRoutes(bin, t.TempDir(), sites, b.up.Port())
	}
	b.compare(n, seed, g.routes, g.traffic)
}

// TestGeneratedTables does it with virtual hosts of Envoy's own API, below connection
// managers with different options.
func TestGeneratedTables(t *testing.T) {
	planes := planesOf(t)
	n, seed := generated(t)
	g := newGenerator(seed)
	b := newBench(t, planes)
	b.layout = func(sites []*site) ([]byte, map[*site]address, error) { return layoutHosts(sites, b.up.Port(), b.dead) }
	b.compare(n, seed, g.table, g.visit)
}

// TestGeneratedMutations does it with header mutations at all levels: a half of
// $SQUARE_N requests.
func TestGeneratedMutations(t *testing.T) {
	planes := planesOf(t)
	n, seed := generated(t)
	n /= 2
	g := newGenerator(seed)
	b := newBench(t, planes)
	b.layout = func(sites []*site) ([]byte, map[*site]address, error) { return layoutHosts(sites, b.up.Port(), b.dead) }
	b.compare(n, seed, g.mutations, g.bearer)
}

// bench runs probes on all corners.
type bench struct {
	t      *testing.T
	planes []plane
	desk   *rawhttp.Desk
	up     *rawhttp.Upstream
	dead   int
	http2  bool // what the client speaks: a connection for each request

	// layout makes the bootstrap of sites.
	layout func([]*site) ([]byte, map[*site]address, error)

	mode  bool          // keepAlive or fresh
	limit time.Duration // of the wait for an answer; 0: answerLimit

	mu         sync.Mutex
	deliberate map[string]int // differences by their reasons
	kinds      map[string]int // how many answers of which kind the first corner gave
}

func newBench(t *testing.T, p []plane) *bench {
	t.Helper()
	b := &bench{t: t, planes: p, desk: rawhttp.NewDesk(), dead: freePort(), mode: keepAlive, kinds: map[string]int{}, deliberate: map[string]int{}}
	var err error
	if b.up, err = rawhttp.Listen("", b.desk); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.up.Close)
	return b
}

// compare runs n requests of which the sites and the requests to them are made
// by the two functions, and reports the differences.
func (b *bench) compare(n int, seed uint64, newSite func() *site, newProbe func(*site) probe) {
	b.t.Logf("SQUARE_SEED=%d SQUARE_N=%d", seed, n)
	var probes []probe
	for len(probes) < n {
		s := newSite()
		for range perSite {
			probes = append(probes, newProbe(s))
		}
	}
	different, err := b.run(probes, b.mode)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Logf("answers by kind: %v", b.kinds)
	start := time.Now()
	seen, small := map[string]int{}, map[string]bool{}
	for _, d := range different {
		seen[d.signature()]++
		if seen[d.signature()] == 1 && len(small) < shrunk && time.Since(start) < shrinkLimit {
			b.report(d, seed, small, start.Add(shrinkLimit))
		}
	}
	for s, n := range seen {
		b.t.Errorf("%d requests differ in %s", n, s)
	}
	if len(different) > 0 {
		b.t.Errorf("%d of %d requests are answered differently (SQUARE_SEED=%d SQUARE_N=%d)", len(different), len(probes), seed, n)
	}
}

// difference is a probe with the answers of the corners.
type difference struct {
	probe   probe
	index   int
	answers [][]string
}

// signature names the header lines that only one of the answers has, so that
// differences with one cause come together.
func (d difference) signature() string {
	var out []string
	add := func(sign string, a, b []string) {
		for _, l := range a {
			if name, _, _ := strings.Cut(l, ":"); !slices.Contains(b, l) && !slices.Contains(out, sign+name) {
				out = append(out, sign+name)
			}
		}
	}
	for _, a := range d.answers[1:] {
		add("-", d.answers[0], a)
		add("+", a, d.answers[0])
	}
	if out == nil {
		return "order"
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// How run connects.
const (
	keepAlive = true  // many requests over one connection
	fresh     = false // a connection each
)

// run sends every probe to every corner and returns those with unequal answers.
func (b *bench) run(probes []probe, keep bool) ([]difference, error) {
	var sites []*site
	seen := map[*site]bool{}
	for _, p := range probes {
		if !seen[p.Site] {
			seen[p.Site] = true
			sites = append(sites, p.Site)
		}
	}
	text, where, err := b.layout(sites)
	if err != nil {
		return nil, err
	}
	corners, err := start(b.planes, b.t.TempDir(), text, b.desk)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err := stop(corners); err != nil {
			b.t.Error(err)
		}
	}()
	var out []difference
	var wg sync.WaitGroup
	width := workers
	if b.limit > 0 {
		width = 4 * workers // they wait, most of the time
	}
	for w := range width {
		wg.Go(func() {
			lines := newLines(corners)
			lines.http2, lines.limit = b.http2, b.limit
			defer lines.close()
			for i := w; i < len(probes); i += width {
				answers := lines.ask(probes[i], where[probes[i].Site], keep)
				if b.limit > 0 && !allEqual(answers) {
					lines.limit = malformedAgain
					answers = lines.ask(probes[i], where[probes[i].Site], keep)
					lines.limit = b.limit
				}
				why := ""
				if probes[i].Request.Raw != nil {
					why = explained(probes[i].Request.Raw, answers)
				}
				b.mu.Lock()
				b.kinds[kind(answers[0])]++
				switch {
				case allEqual(answers):
				case why != "":
					b.deliberate[why]++
				default:
					out = append(out, difference{probes[i], i, answers})
				}
				b.mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.SortFunc(out, func(x, y difference) int { return x.index - y.index })
	return out, nil
}

// report makes a difference small and prints it, unless another one has become
// the same. What it has at the deadline must do.
func (b *bench) report(d difference, seed uint64, small map[string]bool, deadline time.Time) {
	again, err := b.run([]probe{d.probe}, fresh)
	if err != nil || len(again) == 0 {
		b.t.Errorf("request %d differs only after others on one connection (%v):\n%s", d.index, err, cmp.Diff(d.answers[0], d.answers[1]))
		return
	}
	p, err := shrink(d.probe, func(candidates []probe) (int, error) {
		if time.Now().After(deadline) {
			return -1, nil
		}
		found, err := b.run(candidates, fresh)
		if err != nil {
			return b.first(candidates, deadline), nil
		}
		if len(found) == 0 {
			return -1, nil
		}
		return found[0].index, nil
	})
	if err != nil {
		b.t.Error(err)
	}
	// Once more, alone: in the script it is the first site.
	if found, err := b.run([]probe{p}, fresh); err == nil && len(found) == 1 {
		again = found
	}
	smallest := again[0]
	if small[smallest.signature()] {
		return
	}
	small[smallest.signature()] = true
	text, err := p.script("Found by SQUARE_SEED="+strconv.FormatUint(seed, 10)+".", smallest.answers[0])
	if err != nil {
		b.t.Error(err)
	}
	b.t.Errorf("request %d: (-envoy +engine):\n%s\nas a script:\n%s", d.index, cmp.Diff(smallest.answers[0], smallest.answers[1]), text)
}

// first runs each probe alone, because one of them is no valid configuration, and
// returns the first that differs, or -1.
func (b *bench) first(candidates []probe, deadline time.Time) int {
	for i, c := range candidates {
		if time.Now().After(deadline) {
			break
		}
		if found, err := b.run([]probe{c}, fresh); err == nil && len(found) > 0 {
			return i
		}
	}
	return -1
}

// kind says what became of a request: its status, whether the answer carries an
// allowed origin, and whether the upstream was called.
func kind(answer []string) string {
	k := strings.TrimPrefix(answer[0], "=> ")
	if slices.ContainsFunc(answer, func(l string) bool { return strings.HasPrefix(l, "access-control-allow-origin:") }) {
		k += " acao"
	}
	if answer[len(answer)-1] == "upstream: not called" {
		k += " local"
	}
	return k
}

func allEqual(answers [][]string) bool {
	for _, a := range answers[1:] {
		if !slices.Equal(answers[0], a) {
			return false
		}
	}
	return true
}

// lines are the open connections of one worker to the corners' listeners.
type lines struct {
	corners []*Corner
	open    []map[string]*rawhttp.Conn
	http2   bool
	limit   time.Duration
}

func newLines(corners []*Corner) *lines {
	l := &lines{corners: corners}
	for range corners {
		l.open = append(l.open, map[string]*rawhttp.Conn{})
	}
	return l
}

func (l *lines) close() {
	for _, m := range l.open {
		for _, c := range m {
			_ = c.Close()
		}
	}
}

// ask sends the probe to every corner and returns their answers.
func (l *lines) ask(p probe, at address, keep bool) [][]string {
	tc := &Case{Request: p.Request, Plan: p.Plan}
	tc.Request.Fields = append(rawhttp.Fields{{Name: "Host", Value: at.Host + p.Suffix}}, p.Request.Fields...)
	tc.Request.Raw = bytes.ReplaceAll(p.Request.Raw, []byte("{H}"), []byte(at.Host))
	if p.Request.Raw == nil {
		tc.Request.Raw = nil
	}
	out := make([][]string, len(l.corners))
	for i, c := range l.corners {
		if l.http2 {
			tc.Listener = at.Listener
			a, err := c.doHTTP2(tc)
			if out[i] = a.Lines(); err != nil {
				out[i] = []string{err.Error()}
			}
			continue
		}
		conn := l.open[i][at.Listener]
		if conn == nil {
			var err error
			if conn, err = c.dial(at.Listener); err != nil {
				out[i] = []string{err.Error()}
				continue
			}
		}
		if l.limit > 0 {
			conn.Timeout = l.limit
		}
		a := c.send(conn, tc)
		out[i] = a.Lines()
		if keep && a.Response.Reusable() {
			l.open[i][at.Listener] = conn
			continue
		}
		_ = conn.Close()
		delete(l.open[i], at.Listener)
	}
	return out
}
