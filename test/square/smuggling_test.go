package square

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crossgate/crossgate/test/gate"
	"github.com/crossgate/crossgate/test/rawhttp"
)

// battlefield is the engine in front of a service for each dialect.
type battlefield struct {
	corner   *Corner
	services []*service
	log      string
}

const battlefieldHead = `
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}
static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: main
          upgrade_configs: [{upgrade_type: websocket}]
          http_protocol_options: {%s}
          access_log:
          - name: file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: %s
              log_format: {text_format_source: {inline_string: "%%UPSTREAM_CLUSTER%% %%UPSTREAM_HOST%% %%REQ(:PATH)%%\n"}}
          http_filters: [{name: router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
          route_config:
            virtual_hosts:
            - {name: other, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: d0}}]}
`

// newBattlefield starts them; options are those of the listener's HTTP/1.1.
func newBattlefield(t *testing.T, options string, list []dialect) *battlefield {
	t.Helper()
	b := &battlefield{log: filepath.Join(t.TempDir(), "log")}
	var hosts, clusters strings.Builder
	for i := range list {
		s := &service{dialect: &list[i], answers: map[string]string{}}
		if err := s.run(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.close)
		b.services = append(b.services, s)
		fmt.Fprintf(&hosts, "            - {name: d%d, domains: [%q, %q], routes: [{match: {prefix: /}, route: {cluster: d%d}}]}\n", i, hostOf(i), hostOf(i)+":*", i)
		fmt.Fprintf(&clusters, "  - {name: d%d, connect_timeout: 1s, load_assignment: {cluster_name: d%d, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: "+
			"{address: 127.0.0.1, port_value: %d}}}}]}]}}\n", i, i, s.port())
	}
	text := fmt.Sprintf(battlefieldHead, options, b.log) + strings.ReplaceAll(hosts.String(), ":*\"", ":80\"") + "  clusters:\n" + clusters.String()
	corners, err := start([]plane{{"engine", gate.Binary(t)}}, t.TempDir(), []byte(text), rawhttp.NewDesk())
	if err != nil {
		t.Fatal(err)
	}
	b.corner = corners[0]
	return b
}

// proxied stops the engine and returns, for each service, how often its log says
// that a request for which target went there.
func (b *battlefield) proxied(t *testing.T) []map[string]int {
	t.Helper()
	if err := stop([]*Corner{b.corner}); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(b.log)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]map[string]int, len(b.services))
	for i := range out {
		out[i] = map[string]int{}
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		var n int
		if len(words) != 3 || words[1] == "-" {
			continue
		}
		if _, err := fmt.Sscanf(words[0], "d%d", &n); err != nil {
			t.Fatalf("log line %q", line)
		}
		out[n][words[2]]++
	}
	return out
}

// answerWait is how long a client waits for more answers.
const answerWait = 150 * time.Millisecond

// exchange sends bytes over one connection and returns what comes back until
// nothing comes any more.
func (b *battlefield) exchange(text string) (string, error) {
	conn, err := net.Dial("tcp", b.corner.addrs["main"])
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, text) // the engine may have refused its beginning
	var out strings.Builder
	buf := make([]byte, 4096)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(answerWait))
		n, err := conn.Read(buf)
		out.Write(buf[:n])
		if err != nil {
			return out.String(), nil
		}
	}
}

// probe sends an ordinary request, and reports an answer that is another one's.
func (b *battlefield) probe(i int, target string) error {
	conn, err := rawhttp.Dial(b.corner.addrs["main"], answerLimit)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	r := conn.Do(fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", target, hostOf(i)), "GET")
	if got, _ := r.Fields.Get("x-target"); r.Status == 200 && got != target {
		return fmt.Errorf("the next client asked for %s and got the answer for %q", target, got)
	}
	return nil
}

var answered = regexp.MustCompile(`x-target: (\S+)`)

// launch sends an attack to one service, looks at its answers and lets the next
// clients ask.
func (b *battlefield) launch(n, i int, a attack) error {
	id := fmt.Sprintf("%04d", n)
	text, err := b.exchange(filled(a.text, hostOf(i), id))
	if err != nil {
		return err
	}
	for _, m := range answered.FindAllStringSubmatch(text, -1) {
		if path, _, _ := strings.Cut(m[1], "?"); path != "/a"+id && path != "/s"+id {
			return fmt.Errorf("the answer for %s came", m[1])
		}
	}
	for k := range 2 {
		if err := b.probe(i, fmt.Sprintf("/p%s-%d", id, k)); err != nil {
			return err
		}
	}
	return nil
}

// TestSmuggling: no attack makes two requests out of one, whatever dialect the
// service speaks: it never reads a request that the engine has not sent as one; and
// no client gets another one's answer.
func TestSmuggling(t *testing.T) {
	for _, options := range []string{"", "allow_chunked_length: true, accept_http_10: true, enable_trailers: true, allow_custom_methods: true"} {
		t.Run(options, func(t *testing.T) { smuggle(t, options) })
	}
}

func smuggle(t *testing.T, options string) {
	b := newBattlefield(t, options, dialects)
	all := attacks()
	t.Logf("%d attacks on %d dialects", len(all), len(dialects))
	var tasks sync.WaitGroup
	for i := range dialects {
		for w := range workers {
			tasks.Go(func() {
				for n := w; n < len(all); n += workers {
					if err := b.launch(n, i, all[n]); err != nil {
						t.Errorf("%s on %s: %v\n%q", all[n].name, dialects[i].name, err, all[n].text)
					}
				}
			})
		}
	}
	tasks.Wait()
	for i, sent := range b.proxied(t) {
		b.match(t, i, sent, all)
	}
}

// match compares what a service has read with what was sent to it.
func (b *battlefield) match(t *testing.T, i int, sent map[string]int, all []attack) {
	read := b.services[i].targets()
	if dialects[i].deaf {
		return // it does read two; but nobody gets the second one's answer
	}
	if len(read) < len(all)/4 {
		t.Errorf("%s has read only %d requests: it is no backend of this battery", dialects[i].name, len(read))
	}
	var targets []string
	for target := range read {
		targets = append(targets, target)
	}
	slices.Sort(targets)
	for _, target := range targets {
		if read[target] <= sent[target] {
			continue
		}
		var n int
		if _, err := fmt.Sscanf(target, "/s%d", &n); err != nil || n >= len(all) {
			t.Errorf("%s has read %q %d times, sent were %d", dialects[i].name, target, read[target], sent[target])
			continue
		}
		t.Errorf("%s: %s smuggles:\n%q", dialects[i].name, all[n].name, all[n].text)
	}
}
