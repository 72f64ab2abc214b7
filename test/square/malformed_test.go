package square

import (
	"testing"
	"time"
)

// malformedWait is how long an answer to a malformed request is waited for: some have
// none, because something is still missing.
const (
	malformedWait  = 250 * time.Millisecond
	malformedAgain = 3 * time.Second // where the answers differ
)

// TestGeneratedMalformed sends malformed requests, a half of $SQUARE_N, each over a
// connection of its own.
func TestGeneratedMalformed(t *testing.T) {
	planes := planesOf(t)
	n, seed := generated(t)
	n /= 2
	g := newGenerator(seed)
	b := newBench(t, planes)
	b.mode, b.limit = fresh, malformedWait
	b.layout = func(sites []*site) ([]byte, map[*site]address, error) { return layoutHosts(sites, b.up.Port(), b.dead) }
	b.compare(n, seed, g.malformedSite, g.malformed)
	for why, n := range b.deliberate {
		t.Logf("%d requests differ on purpose: %s", n, why)
	}
}
