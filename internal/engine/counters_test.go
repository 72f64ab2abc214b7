package engine

import (
	"strings"
	"testing"
)

// statistics reads Envoy's by their names.
func (b *bench) statistics() map[string]uint64 {
	out := map[string]uint64{}
	for _, s := range b.engine.opts.Stats.Samples() {
		out[s.Name] = s.Value
	}
	return out
}

// TestCountersGoOn: a new configuration goes on counting under the same names, and
// what it has no longer is forgotten.
func TestCountersGoOn(t *testing.T) {
	route := "              - {match: {prefix: /}, direct_response: {status: 204}}\n"
	b := start(t, bootstrap("", route, "  - {name: old, load_assignment: {cluster_name: old}}\n"))
	ask := func() {
		conn := b.dial()
		defer conn.Close()
		if r := conn.Do([]byte("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"), "GET"); r.Status != 204 {
			t.Fatalf("status %d", r.Status)
		}
	}
	ask()
	first := b.statistics()
	if _, ok := first["cluster.old.upstream_cx_total"]; !ok {
		t.Errorf("the cluster counts nothing")
	}
	b.publish(bootstrap("", route, ""))
	ask()
	second := b.statistics()
	seen := 0
	for name, n := range second {
		if strings.HasPrefix(name, "http.") && strings.HasSuffix(name, ".downstream_rq_total") {
			seen++
			if n != 2 || first[name] != 1 {
				t.Errorf("%s is %d, then %d, want 1 and 2", name, first[name], n)
			}
		}
		if strings.HasPrefix(name, "cluster.old.") {
			t.Errorf("%s is still there", name)
		}
	}
	if seen != 1 {
		t.Errorf("%d managers count, want 1", seen)
	}
	for name, want := range map[string]uint64{"cluster_manager.cluster_removed": 1, "listener_manager.listener_added": 1, "listener_manager.total_listeners_active": 1} {
		if second[name] != want {
			t.Errorf("%s is %d, want %d", name, second[name], want)
		}
	}
}
