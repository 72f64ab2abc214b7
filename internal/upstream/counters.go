package upstream

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/crossgate/crossgate/internal/stats"
)

// Stats are cluster.NAME of Envoy, as
// configuration/upstream/cluster_manager/cluster_stats describes them: what the
// pools count, and what the engine counts of the requests of a cluster. Clusters
// with one name share them.
type Stats struct {
	CxTotal        stats.Counter   `stat:"upstream_cx_total"`
	CxActive       stats.Gauge     `stat:"upstream_cx_active"`
	CxHTTP1        stats.Counter   `stat:"upstream_cx_http1_total"`
	CxHTTP2        stats.Counter   `stat:"upstream_cx_http2_total"`
	CxFailed       stats.Counter   `stat:"upstream_cx_connect_fail"`
	CxTimeout      stats.Counter   `stat:"upstream_cx_connect_timeout"`
	CxOverflow     stats.Counter   `stat:"upstream_cx_overflow"`
	CxDestroy      stats.Counter   `stat:"upstream_cx_destroy"`
	CxLocal        stats.Counter   `stat:"upstream_cx_destroy_local"`
	CxRemote       stats.Counter   `stat:"upstream_cx_destroy_remote"`
	CxActiveRq     stats.Counter   `stat:"upstream_cx_destroy_with_active_rq"`
	CxLocalActive  stats.Counter   `stat:"upstream_cx_destroy_local_with_active_rq"`
	CxRemoteActive stats.Counter   `stat:"upstream_cx_destroy_remote_with_active_rq"`
	CxNoneHealthy  stats.Counter   `stat:"upstream_cx_none_healthy"`
	CxProtocol     stats.Counter   `stat:"upstream_cx_protocol_error"`
	CxReceived     stats.Counter   `stat:"upstream_cx_rx_bytes_total"`
	CxSent         stats.Counter   `stat:"upstream_cx_tx_bytes_total"`
	CxConnect      stats.Histogram `stat:"upstream_cx_connect_ms"`
	CxLength       stats.Histogram `stat:"upstream_cx_length_ms"`

	RqTotal           stats.Counter   `stat:"upstream_rq_total"`
	RqActive          stats.Gauge     `stat:"upstream_rq_active"`
	RqActiveOverflow  stats.Counter   `stat:"upstream_rq_active_overflow"`
	RqPending         stats.Counter   `stat:"upstream_rq_pending_total"`
	RqPendingActive   stats.Gauge     `stat:"upstream_rq_pending_active"`
	RqPendingOverflow stats.Counter   `stat:"upstream_rq_pending_overflow"`
	RqPendingFailed   stats.Counter   `stat:"upstream_rq_pending_failure_eject"`
	RqCancelled       stats.Counter   `stat:"upstream_rq_cancelled"`
	RqTimeout         stats.Counter   `stat:"upstream_rq_timeout"`
	RqPerTryTimeout   stats.Counter   `stat:"upstream_rq_per_try_timeout"`
	RqReceivedReset   stats.Counter   `stat:"upstream_rq_rx_reset"`
	RqSentReset       stats.Counter   `stat:"upstream_rq_tx_reset"`
	Rq                stats.Codes     `stat:"upstream_rq"`
	RqTime            stats.Histogram `stat:"upstream_rq_time"`
	External          AnswerStats     `stat:"external"`
	Internal          AnswerStats     `stat:"internal"` // of copies for mirrors

	Retries        stats.Counter `stat:"upstream_rq_retry"`
	RetryBackOff   stats.Counter `stat:"upstream_rq_retry_backoff_exponential"`
	RetryOverflow  stats.Counter `stat:"upstream_rq_retry_overflow"`
	RetryLimit     stats.Counter `stat:"upstream_rq_retry_limit_exceeded"`
	RetrySuccess   stats.Counter `stat:"upstream_rq_retry_success"`
	RetryAbandoned stats.Counter `stat:"retry_or_shadow_abandoned"`
	Retried        struct {
		Rq stats.Codes `stat:"upstream_rq"`
	} `stat:"retry"`

	RedirectsFailed   stats.Counter `stat:"upstream_internal_redirect_failed_total"`
	RedirectsFollowed stats.Counter `stat:"upstream_internal_redirect_succeeded_total"`

	Members        stats.Gauge   `stat:"membership_total"`
	MembersHealthy stats.Gauge   `stat:"membership_healthy"`
	MembersChanged stats.Counter `stat:"membership_change"`
	Panic          stats.Counter `stat:"lb_healthy_panic"`

	Breakers struct {
		Cx      stats.Gauge `stat:"cx_open"`
		Pending stats.Gauge `stat:"rq_pending_open"`
		Rq      stats.Gauge `stat:"rq_open"`
		Retry   stats.Gauge `stat:"rq_retry_open"`
	} `stat:"circuit_breakers.default"`
}

// AnswerStats are of the answers to the requests of some clients.
type AnswerStats struct {
	Rq     stats.Codes     `stat:"upstream_rq"`
	RqTime stats.Histogram `stat:"upstream_rq_time"`
}

// OutlierStats are cluster.NAME.outlier_detection, of clusters that have it.
type OutlierStats struct {
	Active          stats.Gauge   `stat:"ejections_active"`
	Total           stats.Counter `stat:"ejections_enforced_total"`
	Overflow        stats.Counter `stat:"ejections_overflow"`
	Detected5xx     stats.Counter `stat:"ejections_detected_consecutive_5xx"`
	Enforced5xx     stats.Counter `stat:"ejections_enforced_consecutive_5xx"`
	DetectedGateway stats.Counter `stat:"ejections_detected_consecutive_gateway_failure"`
	EnforcedGateway stats.Counter `stat:"ejections_enforced_consecutive_gateway_failure"`
	DetectedLocal   stats.Counter `stat:"ejections_detected_consecutive_local_origin_failure"`
	EnforcedLocal   stats.Counter `stat:"ejections_enforced_consecutive_local_origin_failure"`
	OldTotal        stats.Counter `stat:"ejections_total"`
	Old5xx          stats.Counter `stat:"ejections_consecutive_5xx"`
}

// ManagerStats are cluster_manager of Envoy.
type ManagerStats struct {
	Active   stats.Gauge   `stat:"active_clusters"`
	Added    stats.Counter `stat:"cluster_added"`
	Modified stats.Counter `stat:"cluster_modified"`
	Removed  stats.Counter `stat:"cluster_removed"`
}

// Count counts what s has that prev had not or had in another way; nil is a prev
// without clusters.
func (s *Set) Count(n *ManagerStats, prev *Set) {
	n.Active.Set(int64(len(s.clusters)))
	for name := range s.clusters {
		switch {
		case prev.Cluster(name) == nil:
			n.Added.Inc()
		case !proto.Equal(prev.sources[name], s.sources[name]):
			n.Modified.Inc()
		}
	}
	if prev == nil {
		return
	}
	for name := range prev.clusters {
		if s.clusters[name] == nil {
			n.Removed.Inc()
		}
	}
}

// HostStats are what /clusters tells of a host.
type HostStats struct {
	CxTotal, CxFailed                      stats.Counter
	CxActive                               stats.Gauge
	RqTotal, RqError, RqSuccess, RqTimeout stats.Counter
	RqActive, RqPending                    stats.Gauge
}

// countIn makes the cluster and its hosts count under a name. What an earlier
// program of the same cluster has given its hosts is left alone: it is the same, and
// in use.
func (c *Cluster) countIn(counted *stats.Generation, name string) {
	sc := stats.Scope{}.In("cluster").Tagged("envoy_cluster_name", name)
	c.Stats = stats.Use[Stats](counted, sc)
	if c.limits.stats == nil {
		c.limits.stats = c.Stats
	}
	if c.outliers == nil {
		return
	}
	if own := stats.Use[OutlierStats](counted, sc.In("outlier_detection")); c.outliers.stats == nil {
		c.outliers.stats = own
	}
}

// keepCounting makes a later version of the configuration count in the same as before.
func (c *Cluster) keepCounting(counted *stats.Generation, name string) {
	sc := stats.Scope{}.In("cluster").Tagged("envoy_cluster_name", name)
	stats.Use[Stats](counted, sc)
	if c.outliers != nil {
		stats.Use[OutlierStats](counted, sc.In("outlier_detection"))
	}
}

// countMembers counts a change of the hosts; another order of them is none.
func (c *Cluster) countMembers(old, now []*Host) {
	changed := len(old) != len(now)
	if !changed {
		times := map[string]int{}
		for i := range old {
			times[old[i].Address]++
			times[now[i].Address]--
		}
		for _, n := range times {
			changed = changed || n != 0
		}
	}
	if changed {
		c.Stats.MembersChanged.Inc()
	}
}

// Measure sets the gauges that are looked up and not counted.
func (s *Set) Measure() {
	for _, c := range s.clusters {
		healthy := 0
		hosts := c.Hosts()
		for _, h := range hosts {
			if !h.Ejected() {
				healthy++
			}
		}
		st, l := c.Stats, c.limits
		st.Members.Set(int64(len(hosts) + len(c.absent)))
		st.MembersHealthy.Set(int64(healthy))
		st.Breakers.Cx.Set(full(l.connections.Load(), l.maxConnections))
		st.Breakers.Pending.Set(full(l.pending.Load(), l.maxPending))
		st.Breakers.Rq.Set(full(l.requests.Load(), l.maxRequests))
		st.Breakers.Retry.Set(full(l.retries.Load(), l.maxRetries))
	}
}

// full is 1 for a circuit breaker that lets nothing more through.
func full(n, limit int64) int64 {
	if n >= limit {
		return 1
	}
	return 0
}

// counting is what a connection is counted in.
type counting struct {
	cluster *Stats
	host    *HostStats
	began   time.Time
	remote  bool // the service ended it; belongs to the reader
}

// opens counts a connection that is being made.
func (h *Host) opens(http2 bool) counting {
	st := h.limits.stats
	st.CxTotal.Inc()
	st.CxActive.Add(1)
	if http2 {
		st.CxHTTP2.Inc()
	} else {
		st.CxHTTP1.Inc()
	}
	h.Stats.CxTotal.Inc()
	h.Stats.CxActive.Add(1)
	return counting{cluster: st, host: &h.Stats, began: time.Now()}
}

// connected counts the outcome of making the connection.
func (n *counting) connected(err error) {
	if err == nil {
		n.cluster.CxConnect.Observe(float64(time.Since(n.began).Milliseconds()))
		return
	}
	n.cluster.CxFailed.Inc()
	n.host.CxFailed.Inc()
	late := TimedOut(err)
	if late {
		n.cluster.CxTimeout.Inc()
	}
	n.remote = !late
	n.close(false)
}

// close counts the end of the connection.
func (n *counting) close(active bool) {
	st := n.cluster
	st.CxActive.Add(-1)
	n.host.CxActive.Add(-1)
	st.CxDestroy.Inc()
	st.CxLength.Observe(float64(time.Since(n.began).Milliseconds()))
	if active {
		st.CxActiveRq.Inc()
	}
	switch {
	case n.remote && active:
		st.CxRemoteActive.Inc()
		fallthrough
	case n.remote:
		st.CxRemote.Inc()
	case active:
		st.CxLocalActive.Inc()
		fallthrough
	default:
		st.CxLocal.Inc()
	}
}

// read counts what came, and notes who ended the connection.
func (n *counting) read(size int, err error) {
	n.cluster.CxReceived.Add(uint64(size))
	if EndedByPeer(err) && !errors.Is(err, io.ErrNoProgress) {
		n.remote = true
	}
}

// TimedOut reports whether the error of a connection says that a limit of time has
// passed.
func TimedOut(err error) bool {
	var ne net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &ne) && ne.Timeout()
}

// EndedByPeer reports whether the error of a read says that the other side has ended
// the connection.
func EndedByPeer(err error) bool {
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed)
}

// begin and end count a request that is on a connection of the host.
func (h *Host) begin() {
	h.active.Add(1)
	h.limits.stats.RqTotal.Inc()
	h.limits.stats.RqActive.Add(1)
	h.Stats.RqTotal.Inc()
	h.Stats.RqActive.Add(1)
}

func (h *Host) end() {
	h.active.Add(-1)
	h.limits.stats.RqActive.Add(-1)
	h.Stats.RqActive.Add(-1)
}

// waits counts a request in that finds no connection; waited counts it out.
func (h *Host) waits() {
	h.limits.stats.RqPending.Inc()
	h.limits.stats.RqPendingActive.Add(1)
	h.Stats.RqPending.Add(1)
}

func (h *Host) waited(ctx context.Context, err error) {
	h.limits.stats.RqPendingActive.Add(-1)
	h.Stats.RqPending.Add(-1)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		h.limits.stats.RqCancelled.Inc()
	case errors.Is(err, ErrOverflow):
		h.limits.stats.RqPendingOverflow.Inc()
	default:
		h.limits.stats.RqPendingFailed.Inc()
	}
}
