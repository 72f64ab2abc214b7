package engine

import (
	"bytes"
	"cmp"
	"strings"
	"sync/atomic"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/crossgate/crossgate/internal/stats"
	"github.com/crossgate/crossgate/internal/upstream"
	"github.com/crossgate/crossgate/internal/xds"
)

// verdict is what a route's metadata says of the requests that take it: that a CORS
// policy refuses them, or would. It changes nothing; it is counted and logged.
type verdict struct {
	reason, policy, position string
	stats                    *verdictStats
	scope                    stats.Scope // of stats
	// cluster is where the request would have gone; nil if that is not said.
	cluster     *upstream.Cluster
	clusterName string
	metrics     requestMetrics

	logged atomic.Int64 // when, in nanoseconds
	since  atomic.Int64 // requests that were not logged
}

// verdictStats are crossgate.cors.REASON.POLICY.
type verdictStats struct {
	Requests stats.Counter `stat:"requests"`
}

// Reasons that mean something here.
const (
	reasonNoCORS    = "no-cors"   // served, and the page may not read the answer
	reasonPreflight = "preflight" // allowed
	reasonNotFound  = "not-found"
)

// verdictOf reads the metadata of a route; nil if there is nothing to count. A route
// with a policy and without a reason is the user's own.
func (c *compiler) verdictOf(r *routev3.Route) *verdict {
	if xds.RouteMetadata(r, xds.MetadataPolicy) == "" && xds.RouteMetadata(r, xds.MetadataReason) == "" {
		return nil
	}
	reason := cmp.Or(xds.RouteMetadata(r, xds.MetadataReason), reasonNoCORS)
	v := &verdict{
		reason: reason, policy: xds.RouteMetadata(r, xds.MetadataPolicy), position: xds.RouteMetadata(r, xds.MetadataPosition),
		clusterName: xds.RouteMetadata(r, xds.MetadataCluster),
	}
	v.cluster = c.prog.clusters.Cluster(v.clusterName)
	v.scope = stats.Scope{}.In("crossgate").In("cors").Tagged("reason", v.reason).Tagged("policy", cmp.Or(v.policy, "none"))
	v.stats = stats.Use[verdictStats](c.prog.counted, v.scope)
	return v
}

// logEvery is how often a route's verdicts are logged at most: what clients send
// must not fill a disk.
const logEvery = int64(time.Minute)

// maxLoggedOrigin bounds how much of a client's text stands in a line.
const maxLoggedOrigin = 256

// judge counts and logs a request that has ended on a route with a verdict.
func (s *stream) judge(v *verdict) {
	switch v.reason {
	case reasonPreflight, reasonNotFound:
		return // allowed, or no matter of CORS
	case reasonNoCORS:
		if s.corsPolicy != nil || s.details == "cors_response" || !s.fromOtherOrigin() {
			return
		}
	}
	v.stats.Requests.Inc()
	now := s.end.UnixNano()
	last := v.logged.Load()
	if last != 0 && now-last < logEvery || !v.logged.CompareAndSwap(last, now) {
		v.since.Add(1)
		return
	}
	origin, _ := s.req.Headers.Get("origin")
	msg := "a CORS policy does not allow a request"
	if strings.HasPrefix(v.reason, "would-") {
		msg = "a CORS policy would not allow a request that is served"
	}
	s.peer.engine.log.Info(msg, "reason", v.reason, "policy", v.policy, "position", v.position,
		"origin", string(origin[:min(len(origin), maxLoggedOrigin)]), "method", string(s.req.Method), "not logged since", v.since.Swap(0))
}

// fromOtherOrigin reports whether a page of another origin has sent the request, as
// far as can be told: browsers also send Origin with a POST to their own.
func (s *stream) fromOtherOrigin() bool {
	origin, _ := s.req.Headers.Get("origin")
	if len(origin) == 0 {
		return false
	}
	if site, ok := s.req.Headers.Get("sec-fetch-site"); ok {
		return string(site) != "same-origin" && string(site) != "none"
	}
	_, host, _ := bytes.Cut(origin, []byte("://"))
	return !bytes.EqualFold(host, s.authority)
}

// refusedFor is the cluster that the request would have gone to, had it not been
// refused; nil if it was not, or if that is not known.
func (s *stream) refusedFor() *upstream.Cluster {
	if s.target != nil || s.route == nil || s.route.verdict == nil {
		return nil
	}
	return s.route.verdict.cluster
}
