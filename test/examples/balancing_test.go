package examples

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A replica is one of several services that do the same. It answers with its name,
// and keeps requests for …/hold while it is busy.
type replica struct {
	name, addr string
	held       atomic.Int64
	busy       bool
	release    chan struct{}
}

// newReplicas starts services with the names; the first one is busy.
func newReplicas(t *testing.T, names ...string) (out []*replica) {
	t.Helper()
	for i, name := range names {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		r := &replica{name: name, addr: l.Addr().String(), busy: i == 0, release: make(chan struct{})}
		srv := &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
		go srv.Serve(l) //nolint:errcheck // it ends with the test
		t.Cleanup(func() { srv.Close() })
		out = append(out, r)
	}
	return out
}

func (r *replica) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if r.busy && strings.HasSuffix(req.URL.Path, "/hold") {
		r.held.Add(1)
		defer r.held.Add(-1)
		select {
		case <-r.release:
		case <-req.Context().Done():
		}
	}
	io.WriteString(w, r.name) //nolint:errcheck // the gateway went away
}

// letGo ends a number of requests that are held.
func (r *replica) letGo(n int64) {
	for range n {
		r.release <- struct{}{}
	}
}

// spread is how requests are spread over replicas of which the first one is busy.
type spread string

const (
	inTurns     spread = "in turns"                    // whatever a replica has to do
	byChance    spread = "by chance"                   // the same without the turns
	byLoad      spread = "by the load"                 // the less busy of two that chance picks
	nowhereToGo spread = "answered 503, nowhere to go" // the client's own destination is not known
)

// balancedCase is a DestinationRule for three replicas.
type balancedCase struct {
	name   string
	rule   string // behind its host
	subset string
	want   spread
	over   string // the names of the replicas that get requests
}

// settings of a subset with all replicas, and of one with two of them.
const (
	wholeSubset = "{name: s, labels: {app: api}"
	partSubset  = "{name: s, labels: {version: v1}"
)

func simple(kind string) string { return "loadBalancer: {simple: " + kind + "}" }

// ofPort are the settings for the port of the services.
func ofPort(settings string) string {
	return "portLevelSettings: [{port: {number: 8080}, " + settings + "}]"
}

var balancedCases = []balancedCase{
	{"round-robin", "trafficPolicy: {" + simple("ROUND_ROBIN") + "}", "", inTurns, "abc"},
	{"least-request", "trafficPolicy: {" + simple("LEAST_REQUEST") + "}", "", byLoad, "abc"},
	{"least-conn", "trafficPolicy: {" + simple("LEAST_CONN") + "}", "", byLoad, "abc"},
	{"random", "trafficPolicy: {" + simple("RANDOM") + "}", "", byChance, "abc"},
	{"unspecified", "trafficPolicy: {" + simple("UNSPECIFIED") + "}", "", byLoad, "abc"},
	{"not-said", "trafficPolicy: {connectionPool: {http: {maxRetries: 1}}}", "", byLoad, "abc"},
	{"passthrough", "trafficPolicy: {" + simple("PASSTHROUGH") + "}", "", nowhereToGo, ""},

	{"subset-own", "trafficPolicy: {" + simple("ROUND_ROBIN") + "}, subsets: [" + wholeSubset + ", trafficPolicy: {" + simple("RANDOM") + "}}]", "s", byChance, "abc"},
	{"subset-inherits", "trafficPolicy: {" + simple("ROUND_ROBIN") + "}, subsets: [" + wholeSubset + "}]", "s", inTurns, "abc"},
	{"subset-part", "trafficPolicy: {" + simple("RANDOM") + "}, subsets: [" + partSubset + ", trafficPolicy: {" + simple("ROUND_ROBIN") + "}}]", "s", inTurns, "ab"},
	{"subset-least-conn", "subsets: [" + wholeSubset + ", trafficPolicy: {" + simple("LEAST_CONN") + "}}]", "s", byLoad, "abc"},
	{"subset-passthrough", "trafficPolicy: {" + simple("ROUND_ROBIN") + "}, subsets: [" + wholeSubset + ", trafficPolicy: {" + simple("PASSTHROUGH") + "}}]", "s", nowhereToGo, ""},
	// Where the whole service has no endpoints, neither has a part of it.
	{"subset-of-passthrough", "trafficPolicy: {" + simple("PASSTHROUGH") + "}, subsets: [" + wholeSubset + ", trafficPolicy: {" + simple("ROUND_ROBIN") + "}}]", "s", nowhereToGo, ""},

	{"port-turns", "trafficPolicy: {" + simple("RANDOM") + ", " + ofPort(simple("ROUND_ROBIN")) + "}", "", inTurns, "abc"},
	{"port-chance", "trafficPolicy: {" + simple("ROUND_ROBIN") + ", " + ofPort(simple("RANDOM")) + "}", "", byChance, "abc"},
	{"port-load", "trafficPolicy: {" + simple("ROUND_ROBIN") + ", " + ofPort(simple("LEAST_REQUEST")) + "}", "", byLoad, "abc"},
	// Settings of a port replace the others and do not inherit from them.
	{"port-not-said", "trafficPolicy: {" + simple("ROUND_ROBIN") + ", " + ofPort("connectionPool: {http: {maxRetries: 1}}") + "}", "", byLoad, "abc"},
	{"port-passthrough", "trafficPolicy: {" + ofPort(simple("PASSTHROUGH")) + "}", "", nowhereToGo, ""},
	{"subset-port", "trafficPolicy: {" + simple("RANDOM") + "}, subsets: [" + wholeSubset + ", trafficPolicy: {" + ofPort(simple("ROUND_ROBIN")) + "}}]", "s", inTurns, "abc"},
}

// balancedConfig has a path, a service and a DestinationRule for each case.
func balancedConfig(cases []balancedCase, replicas []*replica) string {
	text := apiRoutes
	for _, c := range cases {
		subset := ""
		if c.subset != "" {
			subset = ", subset: " + c.subset
		}
		text += fmt.Sprintf("  - {match: [{uri: {prefix: /%[1]s/}}], retries: {attempts: 0}, route: [{destination: {host: %[1]s.production.svc.cluster.local%[2]s}}]}\n", c.name, subset)
	}
	var endpoints []string
	for i, r := range replicas {
		_, port, _ := net.SplitHostPort(r.addr)
		version := "v1"
		if i == len(replicas)-1 {
			version = "v2"
		}
		endpoints = append(endpoints, fmt.Sprintf("{address: 127.0.0.1, ports: {http: %s}, labels: {app: api, version: %s}}", port, version))
	}
	for _, c := range cases {
		text += fmt.Sprintf(`---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: %[1]s, namespace: production}
spec:
  hosts: [%[1]s.production.svc.cluster.local]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports: [{number: 8080, name: http, protocol: HTTP}]
  endpoints: [%[2]s]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: %[1]s, namespace: production}
spec: {host: %[1]s.production.svc.cluster.local, %[3]s}
`, c.name, strings.Join(endpoints, ", "), c.rule)
	}
	return text
}

// TestLoadBalancers: how each `simple` of a DestinationRule, of its subsets and of its
// ports spreads requests over three services of which one is busy, on the engine and on
// Envoy.
func TestLoadBalancers(t *testing.T) {
	replicas := newReplicas(t, "a", "b", "c")
	config := filepath.Join(t.TempDir(), "config.yaml")
	write(t, config, []byte(balancedConfig(balancedCases, replicas)))
	s := newSandbox(t)
	s.onBoth(t, []string{config}, func(t *testing.T) {
		for _, c := range balancedCases {
			t.Run(c.name, func(t *testing.T) { balances(t, s, &c, replicas[0]) })
		}
	})
}

func balances(t *testing.T, s *sandbox, c *balancedCase, busy *replica) {
	path := "/" + c.name + "/"
	if c.want == nowhereToGo {
		res, body, err := s.get(path)
		if err != nil || res.StatusCode != http.StatusServiceUnavailable || body != "no healthy upstream" {
			t.Errorf("%v %q %v", res, body, err)
		}
		return
	}
	answered := make(chan error)
	defer func() {
		n := busy.held.Load()
		busy.letGo(n)
		for range n {
			if err := <-answered; err != nil {
				t.Error(err)
			}
		}
	}()
	// One after the other, so that all are where they belong before others are counted.
	for held := int64(0); held < 5; {
		go func() {
			_, _, err := s.get(path + "hold")
			answered <- err
		}()
		waitFor(t, "an answer, or a request that is held", func() bool {
			select {
			case err := <-answered:
				if err != nil {
					t.Fatal(err)
				}
				return true
			default:
				return busy.held.Load() > held
			}
		})
		held = busy.held.Load()
	}
	const n = 300
	var got []string
	count := map[string]int{}
	for range n {
		res, body, err := s.get(path)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatal(res, err)
		}
		got = append(got, body)
		count[body]++
	}
	t.Logf("%v", count)
	if over := strings.Join(slices.Sorted(maps.Keys(count)), ""); over != c.over {
		t.Fatalf("requests go to %s, want %s", over, c.over)
	}
	turns := true
	for i := len(c.over); i < n; i++ {
		turns = turns && got[i] == got[i-len(c.over)]
	}
	if want := c.want == inTurns; turns != want {
		t.Errorf("in turns: %v, want %v: %s…", turns, want, strings.Join(got[:30], ""))
	}
	// Both of two random choices are the busy one in a ninth of all cases, and one is in
	// a third; the bounds are five standard deviations away.
	share := float64(count[busy.name]) / n
	if c.want == byLoad && (share < 0.02 || share > 0.205) {
		t.Errorf("the busy service got %.2f of the requests, want about a ninth", share)
	}
	if c.want == byChance && (share < 0.195 || share > 0.475) {
		t.Errorf("the busy service got %.2f of the requests, want about a third", share)
	}
}

// logOfEndings is an EnvoyFilter for lines that tell how requests ended.
const logOfEndings = `---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: log, namespace: istio-system}
spec:
  configPatches:
  - applyTo: NETWORK_FILTER
    match: {context: GATEWAY, listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager}}}}
    patch:
      operation: MERGE
      value:
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          access_log:
          - name: envoy.access_loggers.stdout
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
              log_format: {text_format_source: {inline_string: "logged %REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% host=%UPSTREAM_HOST% cluster=%UPSTREAM_CLUSTER% attempts=%UPSTREAM_REQUEST_ATTEMPT_COUNT%\n"}}
`

// TestPassthrough: PASSTHROUGH at a gateway has no destination, whatever headers a client
// sends. The answer, the log and the statistics are Envoy's, and the user is told why with
// the line of the DestinationRule.
func TestPassthrough(t *testing.T) {
	cases := []balancedCase{{name: "api", rule: "trafficPolicy: {" + simple("PASSTHROUGH") + "}"}}
	text := balancedConfig(cases, newReplicas(t, "a")) + logOfEndings
	config := filepath.Join(t.TempDir(), "config.yaml")
	write(t, config, []byte(text))
	s := newSandbox(t)
	var seen [][]string
	s.onBoth(t, []string{config}, func(t *testing.T) {
		var lines []string
		for _, name := range []string{"", "X-Envoy-Original-Dst-Host"} {
			res, body := s.withHeader(t, "/api/", name, "127.0.0.1:1")
			res.Header.Del("Date")
			lines = append(lines, fmt.Sprint(res.Status, res.Header, body))
		}
		lines = append(lines, s.logged(t, 2)...)
		seen = append(seen, append(lines, s.clusterStatistics(t, "api.production")...))
	})
	if len(seen) != 2 {
		return // Envoy is not there.
	}
	if diff := cmp.Diff(seen[1], seen[0]); diff != "" {
		t.Errorf("(-Envoy +engine)\n%s", diff)
	}
	const want = "logged GET /api/ 503 UH no_healthy_upstream host=- cluster=outbound|8080||api.production.svc.cluster.local; attempts=1\n"
	if seen[0][2] != want {
		t.Errorf("logged %q, want %q", seen[0][2], want)
	}
}

// TestPassthroughIsTold: the line of the DestinationRule is named when the configuration is
// read, and in the log when a request comes.
func TestPassthroughIsTold(t *testing.T) {
	cases := []balancedCase{{name: "api", rule: "trafficPolicy: {" + simple("PASSTHROUGH") + "}"}}
	text := balancedConfig(cases, newReplicas(t, "a"))
	config := filepath.Join(t.TempDir(), "config.yaml")
	write(t, config, []byte(text))
	before, _, _ := strings.Cut(text, "PASSTHROUGH")
	at := fmt.Sprintf("%s:%d:%d", config, strings.Count(before, "\n")+1, len(before)-strings.LastIndex(before, "\n"))
	s := newSandbox(t)
	s.serve(t, []string{config})
	for range 2 {
		if res, _, err := s.get("/api/"); err != nil || res.StatusCode != http.StatusServiceUnavailable {
			t.Fatal(res, err)
		}
	}
	read := regexp.MustCompile(`(?m)^.*` + regexp.QuoteMeta(at) + `.*PASSTHROUGH.*CG0204.*$`)
	asked := regexp.MustCompile(`(?m)^.*fail with 503.*position=` + regexp.QuoteMeta(at) + `.*$`)
	for _, line := range []*regexp.Regexp{read, asked} {
		if got := line.FindAllString(s.output(), -1); len(got) != 1 {
			t.Errorf("%d lines match %s, want 1:\n%s", len(got), line, s.output())
		}
	}
}

// logged waits for the lines that logOfEndings makes of a number of requests.
func (s *sandbox) logged(t *testing.T, n int) (lines []string) {
	t.Helper()
	line := regexp.MustCompile("(?m)^logged .*\n")
	waitFor(t, fmt.Sprintf("%d lines of the log", n), func() bool {
		lines = line.FindAllString(s.output(), -1)
		return len(lines) >= n
	})
	return lines
}

// withHeader sends a request with a header.
func (s *sandbox) withHeader(t *testing.T, path, name, value string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://127.0.0.1:"+strconv.Itoa(8080+s.offset)+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "api.example.com"
	if name != "" {
		req.Header.Set(name, value)
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// clusterStatistics are those of a cluster that are not zero, sorted.
func (s *sandbox) clusterStatistics(t *testing.T, cluster string) (out []string) {
	t.Helper()
	res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/stats?usedonly&type=Counters&filter=%s", 15000+s.offset, regexp.QuoteMeta(cluster)))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, "cluster.") {
			out = append(out, line)
		}
	}
	slices.Sort(out)
	return out
}
