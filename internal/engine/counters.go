package engine

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/crossgate/crossgate/internal/stats"
	"github.com/crossgate/crossgate/internal/upstream"
	"github.com/crossgate/crossgate/internal/xds"
)

// Names of Envoy's tags (source/common/config/well_known_names.cc).
const (
	tagManager  = "envoy_http_conn_manager_prefix"
	tagListener = "envoy_listener_address"
)

func managerScope(prefix string) stats.Scope {
	return stats.Scope{}.In("http").Tagged(tagManager, prefix)
}

// listenerScope is that of a listener's stat_prefix, which is no label, or else of
// its address.
func listenerScope(prefix, host string, port uint32) stats.Scope {
	sc := stats.Scope{}.In("listener")
	if prefix != "" {
		return sc.In(prefix)
	}
	return sc.Tagged(tagListener, xds.HostPort(host, port))
}

// managerStats are http.PREFIX of Envoy, as
// configuration/http/http_conn_man/stats describes them: of the connection
// manager and of its filters. Managers with one stat_prefix share them.
type managerStats struct {
	CxTotal       stats.Counter   `stat:"downstream_cx_total"`
	CxActive      stats.Gauge     `stat:"downstream_cx_active"`
	CxSSLTotal    stats.Counter   `stat:"downstream_cx_ssl_total"`
	CxSSLActive   stats.Gauge     `stat:"downstream_cx_ssl_active"`
	CxHTTP1Total  stats.Counter   `stat:"downstream_cx_http1_total"`
	CxHTTP1Active stats.Gauge     `stat:"downstream_cx_http1_active"`
	CxHTTP2Total  stats.Counter   `stat:"downstream_cx_http2_total"`
	CxHTTP2Active stats.Gauge     `stat:"downstream_cx_http2_active"`
	CxDestroy     stats.Counter   `stat:"downstream_cx_destroy"`
	CxLocal       stats.Counter   `stat:"downstream_cx_destroy_local"`
	CxRemote      stats.Counter   `stat:"downstream_cx_destroy_remote"`
	CxActiveRq    stats.Counter   `stat:"downstream_cx_destroy_active_rq"`
	CxLocalRq     stats.Counter   `stat:"downstream_cx_destroy_local_active_rq"`
	CxRemoteRq    stats.Counter   `stat:"downstream_cx_destroy_remote_active_rq"`
	CxIdleTimeout stats.Counter   `stat:"downstream_cx_idle_timeout"`
	CxProtocol    stats.Counter   `stat:"downstream_cx_protocol_error"`
	CxUpgrades    stats.Counter   `stat:"downstream_cx_upgrades_total"`
	CxUpgraded    stats.Gauge     `stat:"downstream_cx_upgrades_active"`
	CxReceived    stats.Counter   `stat:"downstream_cx_rx_bytes_total"`
	CxSent        stats.Counter   `stat:"downstream_cx_tx_bytes_total"`
	CxLength      stats.Histogram `stat:"downstream_cx_length_ms"`

	RqTotal       stats.Counter   `stat:"downstream_rq_total"`
	RqActive      stats.Gauge     `stat:"downstream_rq_active"`
	RqHTTP1       stats.Counter   `stat:"downstream_rq_http1_total"`
	RqHTTP2       stats.Counter   `stat:"downstream_rq_http2_total"`
	Rq            stats.Classes   `stat:"downstream_rq"`
	RqTime        stats.Histogram `stat:"downstream_rq_time"`
	RqReset       stats.Counter   `stat:"downstream_rq_rx_reset"`
	RqIdleTimeout stats.Counter   `stat:"downstream_rq_idle_timeout"`
	RqHeadTimeout stats.Counter   `stat:"downstream_rq_header_timeout"`
	RqTimeout     stats.Counter   `stat:"downstream_rq_timeout"`
	RqPathFailed  stats.Counter   `stat:"downstream_rq_failed_path_normalization"`
	RqPathSent    stats.Counter   `stat:"downstream_rq_redirected_with_normalized_path"`
	RqNoPath      stats.Counter   `stat:"downstream_rq_non_relative_path"`
	RqNoUpgrade   stats.Counter   `stat:"downstream_rq_ws_on_non_ws_route"`

	// Of the router.
	NoRoute     stats.Counter `stat:"no_route"`
	NoCluster   stats.Counter `stat:"no_cluster"`
	RouterTotal stats.Counter `stat:"rq_total"`
	RouterSent  stats.Counter `stat:"rq_direct_response"`
}

// corsStats are http.PREFIX.cors.
type corsStats struct {
	Valid   stats.Counter `stat:"origin_valid"`
	Invalid stats.Counter `stat:"origin_invalid"`
}

// faultStats are http.PREFIX.fault.
type faultStats struct {
	Aborts    stats.Counter `stat:"aborts_injected"`
	Delays    stats.Counter `stat:"delays_injected"`
	Overflows stats.Counter `stat:"faults_overflow"`
	Active    stats.Gauge   `stat:"active_faults"`
}

// listenerStats are listener.ADDRESS (configuration/listeners/stats). Envoy
// counts a connection once its filter chain is known.
type listenerStats struct {
	CxTotal   stats.Counter   `stat:"downstream_cx_total"`
	CxActive  stats.Gauge     `stat:"downstream_cx_active"`
	CxDestroy stats.Counter   `stat:"downstream_cx_destroy"`
	CxLength  stats.Histogram `stat:"downstream_cx_length_ms"`
	CxPending stats.Gauge     `stat:"downstream_pre_cx_active"`
	CxConnect stats.Counter   `stat:"downstream_cx_transport_socket_connect_timeout"`
	NoChain   stats.Counter   `stat:"no_filter_chain_match"`
}

// listenerManagerStats are listener_manager.
type listenerManagerStats struct {
	Active  stats.Gauge   `stat:"total_listeners_active"`
	Added   stats.Counter `stat:"listener_added"`
	Removed stats.Counter `stat:"listener_removed"`
	Created stats.Counter `stat:"listener_create_success"`
	Failed  stats.Counter `stat:"listener_create_failure"`
}

// listenerTLSStats are listener.ADDRESS.ssl.
type listenerTLSStats struct {
	Handshake     stats.Counter `stat:"handshake"`
	Error         stats.Counter `stat:"connection_error"`
	Resumed       stats.Counter `stat:"session_reused"`
	NoCertificate stats.Counter `stat:"no_certificate"`
}

// listenerRqStats are listener.ADDRESS.http.PREFIX.
type listenerRqStats struct {
	Rq stats.Classes `stat:"downstream_rq"`
}

// connCount is what a connection is counted in: its listener and its manager at
// the time of its beginning.
type connCount struct {
	listener *listenerStats
	manager  *managerStats // nil until the filter chain is known
	began    time.Time
	tls      bool
	http2    bool
	spoken   bool        // the protocol is known
	remote   atomic.Bool // the client ended it; set by who reads or writes
	active   atomic.Bool // with a request under way
}

// open counts a connection whose filter chain is known.
func (n *connCount) open(lp *listenerProgram, chain *filterChain) {
	n.listener, n.manager, n.began, n.tls = lp.stats, chain.manager.stats, time.Now(), chain.tls != nil
	n.listener.CxTotal.Inc()
	n.listener.CxActive.Add(1)
	n.manager.CxTotal.Inc()
	n.manager.CxActive.Add(1)
	if n.tls {
		n.manager.CxSSLTotal.Inc()
		n.manager.CxSSLActive.Add(1)
	}
}

// speak counts the protocol of a connection once it is known.
func (n *connCount) speak(http2 bool) {
	n.spoken, n.http2 = true, http2
	if http2 {
		n.manager.CxHTTP2Total.Inc()
		n.manager.CxHTTP2Active.Add(1)
		return
	}
	n.manager.CxHTTP1Total.Inc()
	n.manager.CxHTTP1Active.Add(1)
}

// close counts the end of a connection.
func (n *connCount) close() {
	m := n.manager
	if m == nil {
		return
	}
	length := float64(time.Since(n.began).Milliseconds())
	n.listener.CxActive.Add(-1)
	n.listener.CxDestroy.Inc()
	n.listener.CxLength.Observe(length)
	m.CxActive.Add(-1)
	m.CxDestroy.Inc()
	m.CxLength.Observe(length)
	if n.active.Load() {
		m.CxActiveRq.Inc()
	}
	switch {
	case n.remote.Load() && n.active.Load():
		m.CxRemoteRq.Inc()
		fallthrough
	case n.remote.Load():
		m.CxRemote.Inc()
	case n.active.Load():
		m.CxLocalRq.Inc()
		fallthrough
	default:
		m.CxLocal.Inc()
	}
	if n.tls {
		m.CxSSLActive.Add(-1)
	}
	switch {
	case !n.spoken:
	case n.http2:
		m.CxHTTP2Active.Add(-1)
	default:
		m.CxHTTP1Active.Add(-1)
	}
}

// countedConn counts the bytes of a connection whose reads and writes are not the
// engine's own.
type countedConn struct {
	net.Conn
	manager *managerStats
	ended   bool // by the other side; belongs to the reader
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.manager.CxReceived.Add(uint64(n))
	c.ended = c.ended || upstream.EndedByPeer(err)
	return n, err
}

func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.manager.CxSent.Add(uint64(n))
	return n, err
}

// arrive counts a request in; leave counts it out, with its answer.
func (s *stream) arrive() {
	m := s.manager.stats
	m.RqTotal.Inc()
	m.RqActive.Add(1)
	if s.http2 {
		m.RqHTTP2.Inc()
	} else {
		m.RqHTTP1.Inc()
	}
}

func (s *stream) leave() {
	m := s.manager.stats
	m.RqActive.Add(-1)
	if s.status > 0 {
		m.Rq.Inc(s.status)
		s.manager.rqStats.Rq.Inc(s.status)
		if !s.cut {
			m.RqTime.Observe(float64(s.end.Sub(s.start).Milliseconds()))
		}
	}
	if s.tunnelled {
		m.CxUpgraded.Add(-1)
	}
}

// countLost counts a request whose client has gone, with its connection if that
// carries no other one.
func (s *stream) countLost() {
	s.countReset()
	if s.conn != nil {
		s.conn.count.remote.Store(true)
		s.conn.count.active.Store(true)
	}
}

// countReset counts a request whose stream ends before its answer has: Envoy counts
// both sides as the client's.
func (s *stream) countReset() {
	s.cut = true
	s.manager.stats.RqReset.Inc()
}

// countCut counts a request of whose head only a part has come.
func (c *conn) countCut() {
	m := c.chain.manager.stats
	m.RqTotal.Inc()
	m.RqHTTP1.Inc()
	m.RqReset.Inc()
	c.count.active.Store(true)
}

// countUpgrade counts a request that may make a tunnel of its connection.
func (s *stream) countUpgrade() {
	if s.upgraded && !s.tunnelled {
		s.tunnelled = true
		s.manager.stats.CxUpgrades.Inc()
		s.manager.stats.CxUpgraded.Add(1)
	}
}

// countAttempt counts what became of a request to a host.
func (s *stream) countAttempt(h *upstream.Host, f failure) {
	st := s.target.cluster.Stats
	switch f {
	case noFailure:
		if s.outcome() >= 500 {
			h.Stats.RqError.Inc()
		} else {
			h.Stats.RqSuccess.Inc()
		}
		return
	case failOverflow, failClient, failNoHost:
		return
	case failPerTry:
		st.RqPerTryTimeout.Inc()
		h.Stats.RqTimeout.Inc()
	case failTimeout:
		h.Stats.RqTimeout.Inc()
	case failReset, failRefused:
		st.RqReceivedReset.Inc()
	case failProtocol:
		st.CxProtocol.Inc()
	}
	h.Stats.RqError.Inc()
}

// countFailure counts the answer of the router for a service that gave none.
func (s *stream) countFailure(f failure) {
	switch f {
	case failClient:
		return
	case failTimeout:
		s.target.cluster.Stats.RqTimeout.Inc()
	case failIdle:
		s.manager.stats.RqIdleTimeout.Inc()
		return
	case failRequest:
		s.manager.stats.RqTimeout.Inc()
		return
	}
	s.countAnswer(f.status())
}

// countLate counts a limit of time that passed while the answer was under way.
func (s *stream) countLate() {
	if s.up.expired() {
		s.target.cluster.Stats.RqTimeout.Inc()
	} else {
		s.manager.stats.RqIdleTimeout.Inc()
	}
}

// countAnswer counts the answer to a request that had a cluster.
func (s *stream) countAnswer(status int) {
	s.target.cluster.Stats.Rq.Inc(status)
	s.byClient().Rq.Inc(status)
}

// byClient is where answers of the cluster are counted by who has asked. For Envoy all
// clients are external as long as no internal addresses are configured; only copies
// for mirrors are its own.
func (s *stream) byClient() *upstream.AnswerStats {
	if s.vhost == shadowHost {
		return &s.target.cluster.Stats.Internal
	}
	return &s.target.cluster.Stats.External
}

// countAnswerTime counts how long the service took, from the end of the request to
// that of the answer.
func (s *stream) countAnswerTime() {
	end, sent := s.up.requestEnd()
	if !sent {
		return
	}
	ms := float64(s.end.Sub(end).Milliseconds())
	s.target.cluster.Stats.RqTime.Observe(ms)
	s.byClient().RqTime.Observe(ms)
}

// countHandshake counts a TLS handshake that failed.
func (c *conn) countHandshake(err error) {
	switch {
	case errors.Is(err, errNoChain):
	case upstream.TimedOut(err):
		c.lp.stats.CxConnect.Inc()
	default:
		c.lp.tls.Error.Inc()
		c.count.remote.Store(errors.Is(err, io.EOF))
	}
}
