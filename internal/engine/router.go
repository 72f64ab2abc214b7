package engine

import (
	"errors"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/crossgate/crossgate/internal/header"
	"github.com/crossgate/crossgate/internal/http1"
	"github.com/crossgate/crossgate/internal/upstream"
)

// proxy is envoy.filters.http.router: it sends the request to a host of the
// target's cluster, again where the policy says so, and passes the answer on.
func (s *stream) proxy() {
	t := s.target
	if t.cluster == nil {
		s.flags |= flagNoCluster
		s.manager.stats.NoCluster.Inc()
		s.localReply(s.route.notFound, "cluster_not_found", nil)
		return
	}
	if s.badHeader != nil {
		s.refuseHeader()
		return
	}
	s.beginUpstreamRequest()
	defer s.up.end()
	if !t.cluster.BeginRequest() {
		s.fail(s.tooMany())
		return
	}
	defer t.cluster.EndRequest()
	if len(s.route.mirrors) > 0 && !s.upgraded && len(t.cluster.Hosts()) > 0 {
		if tee := s.mirror(); tee != nil {
			defer s.endMirror(tee)
		}
	}
	for {
		again, f := s.retry(s.attempt())
		if again {
			continue
		}
		if f != noFailure {
			s.fail(f)
			return
		}
		if s.follow() {
			return
		}
		s.respond()
		return
	}
}

// tooMany is the failure of a request for which the cluster has no room: Envoy finds
// that out when it has chosen a host.
func (s *stream) tooMany() failure {
	h := s.target.cluster.Pick(nil, 0)
	if h == nil {
		return failNoHost
	}
	s.upstreamHost, s.upstreamTried = h, h.AddressText()
	return failOverflow
}

var (
	hAttemptCount   = []byte("x-envoy-attempt-count")
	hExpectedMillis = []byte("x-envoy-expected-rq-timeout-ms")
	hServiceTime    = []byte("x-envoy-upstream-service-time")
	hOverloaded     = []byte("x-envoy-overloaded")
)

// beginUpstreamRequest makes the headers that the service sees.
func (s *stream) beginUpstreamRequest() {
	s.up.begin(s)
	s.nextAttempt()
	ms := s.target.request
	if len(ms) > 0 {
		s.mutated, s.cameGRPC = true, s.fromGRPC()
	}
	for _, m := range ms[:s.target.own] {
		m.apply(s, &s.req.Headers)
	}
	if host := s.target.host; host != nil {
		s.authority = host // Envoy does not tell the original of this one
	}
	for _, m := range ms[s.target.own:] {
		m.apply(s, &s.req.Headers)
	}
	s.frameRequest()
	s.rewriteRequest()
}

// frameRequest sends a body in chunks whose length is not told any more, because the
// connection field named content-length or the route removes it: without either the
// body would be read as requests.
func (s *stream) frameRequest() {
	if s.req.Framing != http1.Length || s.req.Headers.Has("content-length") {
		return
	}
	s.req.Framing = http1.NoBody
	if s.req.ContentLength > 0 {
		s.req.Framing = http1.Chunked
	}
}

// nextAttempt counts an attempt and writes the headers that tell of it.
func (s *stream) nextAttempt() {
	s.attempts++
	h := &s.req.Headers
	if ms := s.expectedMillis(); ms > 0 {
		h.Set(hExpectedMillis, appendInt(&s.arena, ms))
	} else if s.attempts > 1 {
		h.Remove("x-envoy-expected-rq-timeout-ms")
	}
	if s.vhost.attemptCount {
		h.Set(hAttemptCount, appendInt(&s.arena, int64(s.attempts)))
	}
}

// expectedMillis is the time that the service has: the try's, or what is left of
// the route's.
func (s *stream) expectedMillis() int64 {
	if s.manager.suppressEnvoy {
		return 0
	}
	left := s.route.timeout
	if left > 0 && s.attempts > 1 {
		left = max(left-time.Since(s.up.began).Truncate(time.Millisecond), time.Millisecond)
	}
	if r := s.route.retry; r != nil && r.perTry > 0 && (left == 0 || r.perTry < left) {
		left = r.perTry
	}
	return left.Milliseconds()
}

// attempt sends the request once and reads the head of the answer.
func (s *stream) attempt() failure {
	c := s.target.cluster
	tried, again := s.up.tried, 0
	if p := s.route.retry; p != nil && p.otherHosts {
		again = p.hostAttempts
	}
	h := c.Pick(tried, again)
	if h == nil {
		if c.ByDestination {
			s.prog.noDestination(s.peer.engine.log, c.Name)
		}
		return failNoHost
	}
	if again > 0 && !slices.Contains(tried, h) {
		s.up.tried = append(tried, h)
	}
	s.upstreamHost, s.upstreamTried, s.upstreamTLS, s.upstreamBirth = h, h.AddressText(), nil, nil
	// What is told of connections and their times is told of the last attempt.
	s.upstreamAddress, s.upstreamFirst, s.noRoom = nil, time.Time{}, false
	var f failure
	if s.upstreamHTTP2 = c.HTTP2 || c.LikeClient && s.http2; s.upstreamHTTP2 {
		f = s.attemptHTTP2(h)
	} else {
		f = s.attemptHTTP1(h)
	}
	s.tell(h, f)
	s.countAttempt(h, f)
	return f
}

// tell reports to outlier detection what became of an attempt.
func (s *stream) tell(h *upstream.Host, f failure) {
	c := s.target.cluster
	switch f {
	case noFailure:
		c.Report(h, upstream.Outcome(s.outcome()))
	case failConnect, failClosed, failProtocol, failReset, failRefused:
		c.Report(h, upstream.LocalFailure)
	case failTimeout, failPerTry:
		c.Report(h, upstream.LocalTimeout)
	}
}

// outcome is the status of the answer; that of gRPC, where the head tells it.
func (s *stream) outcome() int {
	if v, ok := s.resp.Headers.Get("grpc-status"); ok && isGRPC(&s.req.Headers) {
		if n, err := strconv.Atoi(string(v)); err == nil && n >= 0 && n < len(grpcHTTP) {
			return grpcHTTP[n]
		}
	}
	return s.resp.Status
}

// grpcHTTP are the statuses of HTTP that stand for those of gRPC, by number
// (google.rpc.Code).
var grpcHTTP = [...]int{200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401}

// attemptHTTP1 is attempt for a service that speaks HTTP/1.1.
func (s *stream) attemptHTTP1(h *upstream.Host) failure {
	c, before := s.target.cluster, s.up.attempted
	for {
		conn, reused, err := s.up.connect(h, c.ConnectTimeout)
		if err != nil {
			return s.connectFailure(err)
		}
		if s.up.hold(conn); s.up.gone {
			return failClient
		}
		s.upstreamTLS, s.upstreamBirth = secured(conn.Conn), conn.Birth()
		s.upstreamAddress = conn.AddressText()
		f, sent := s.up.send()
		if f == failClosed && reused && !sent {
			// The pool's connection had died: nothing of the request was
			// taken, so it is not an attempt.
			s.up.forget(before)
			continue
		}
		if f != noFailure {
			return f
		}
		if f = s.up.readHead(); f == failClosed && reused && s.unread() {
			s.up.forget(before)
			continue
		}
		return f
	}
}

// unread reports whether the service closed a connection of the pool in the moment
// in which the request came: by a reset, before anything of an answer. Then it has
// not read the request, or not to its end, and a request that changes nothing may
// be sent again (RFC 9110 section 9.2.2).
func (s *stream) unread() bool {
	if !s.up.unread || s.req.Framing != http1.NoBody || s.upgraded {
		return false
	}
	switch string(s.req.Method) {
	case "GET", "HEAD", "OPTIONS":
		return true
	}
	return false
}

func (s *stream) connectFailure(err error) failure {
	switch {
	case errors.Is(err, upstream.ErrOverflow):
		s.noRoom = true
		return failOverflow
	case s.client.left():
		return failClient
	case s.up.expired():
		return failTimeout
	}
	s.up.connectError = err
	return failConnect
}

var (
	textNoHealthy  = []byte("no healthy upstream")
	textTimeout    = []byte("upstream request timeout")
	textIdle       = []byte("stream timeout")
	textBefore     = "upstream connect error or disconnect/reset before headers. "
	textReset      = "reset reason: "
	textRetryReset = "retried and the latest reset reason: "
)

// fail answers for a service that did not (Envoy's local replies of the router).
func (s *stream) fail(f failure) {
	s.up.drop()
	if s.attempts > 0 && f != failNoHost && (f != failOverflow || s.attempts > 1) {
		// While a connection was sought, Envoy would have read on.
		s.client.skipBuffered()
	}
	switch f {
	case failNoHost:
		s.flags |= flagNoHealthyUpstream
		s.localReply(503, "no_healthy_upstream", textNoHealthy)
	case failTimeout:
		s.flags |= flagUpstreamTimeout
		s.localReply(504, "response_timeout", textTimeout)
	case failPerTry:
		s.flags |= flagUpstreamTimeout
		s.localReply(504, "upstream_per_try_timeout", textTimeout)
	case failIdle:
		s.flags |= flagStreamIdle
		status := 504
		if !s.client.ended() {
			status = 408 // the client is waited for, too
		}
		s.localReply(status, "stream_idle_timeout", textIdle)
	case failRequest:
		s.localReply(408, "request_overall_timeout", textRequestTimeout)
	case failClient:
		s.clientGone()
	default:
		s.failReset(f)
	}
	s.countFailure(f)
}

// failReset answers for a connection that could not be had or broke.
func (s *stream) failReset(f failure) {
	status, reason, detail := 503, "connection termination", "connection_termination"
	switch f {
	case failConnect:
		s.flags |= flagConnectFailure
		reason = "remote connection failure"
		detail = "remote_connection_failure"
		if why := transportFailure(s.up.connectError); why != "" {
			detail += "|" + why
		}
		if upstream.TimedOut(s.up.connectError) {
			reason, detail = "connection timeout", "connection_timeout"
		}
	case failClosed:
		s.flags |= flagUpstreamClosed
	case failProtocol:
		s.flags |= flagUpstreamProtocolError
		status, reason, detail = 502, "protocol error", "protocol_error"
	case failReset, failRefused:
		s.flags |= flagUpstreamReset
		reason, detail = "remote reset", "remote_reset"
		if f == failRefused {
			reason, detail = "remote refused stream reset", "remote_refused_stream_reset"
		}
	case failOverflow:
		s.flags |= flagOverflow
		reason, detail = "overflow", "overflow"
	}
	prefix := textReset
	if s.attempts > 1 {
		prefix = textRetryReset
	}
	b := append(s.arena.Start(), textBefore...)
	b = append(b, prefix...)
	body := s.arena.Done(append(b, reason...))
	s.localReply(status, "upstream_reset_before_response_started{"+detail+"}", body)
	if f == failOverflow {
		s.resp.Headers.Insert(0, hOverloaded, vTrue)
	}
}

// transportFailure is why a connection could not be had, in Envoy's words; empty if
// the service has just ended it.
func transportFailure(err error) string {
	var handshake handshakeError
	if errors.As(err, &handshake) {
		return handshakeText(handshake.error)
	}
	return "delayed_connect_error:_" + connectErrorText(err)
}

// connectErrorText is the kernel's word for a failed connect, as Envoy logs it.
func connectErrorText(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		switch errno {
		case syscall.ECONNREFUSED:
			return "Connection_refused"
		case syscall.ENETUNREACH:
			return "Network_is_unreachable"
		case syscall.EHOSTUNREACH:
			return "No_route_to_host"
		}
		return errno.Error()
	}
	return "unknown"
}

// clientGone ends a request whose client went away or sent nonsense.
func (s *stream) clientGone() {
	s.closing = true
	if errors.Is(s.up.clientError, errBadBody) {
		s.flags |= flagDownstreamProtocolError
		s.manager.stats.CxProtocol.Inc()
		h := s.beginReply(400, "http1.codec_error")
		s.mutateReply(h)
		s.describe(h, s.peer.engine.statusText(400))
		return
	}
	s.countLost()
	s.beginReply(0, s.howLost())
}

// howLost flags a request whose client has gone, or has reset its stream of HTTP/2,
// and returns the details of it.
func (s *stream) howLost() string {
	if s.client.wasReset() {
		s.flags |= flagDownstreamReset
		return "http2.remote_reset"
	}
	s.flags |= flagDownstreamClosed
	return "downstream_remote_disconnect"
}

// respond passes the service's answer on to the client.
func (s *stream) respond() {
	s.status, s.details = s.resp.Status, "via_upstream"
	s.countAnswer(s.status)
	h := &s.resp.Headers
	if s.upgraded && s.status != 101 {
		s.refuseUpgrade()
		return
	}
	end, sent := s.up.requestEnd()
	if !sent && s.up.pump.running && s.up.pump.last.Load() {
		end, sent = s.upstreamFirst, true // the pump has not come round to noting it
	}
	if sent && !s.upgraded && !s.manager.suppressEnvoy {
		// Of a service that answers before it has the whole request, or that
		// switches protocols, Envoy does not tell the time.
		ms := max(s.upstreamFirst.Sub(end), 0).Milliseconds()
		h.Set(hServiceTime, appendInt(&s.arena, ms))
	}
	s.mutateResponse(h)
	s.addAttemptCount(h)
	s.relay()
}

func (s *stream) addAttemptCount(h *header.List) {
	if s.attempts > 0 && s.vhost.attemptCountAnswer {
		h.Set(hAttemptCount, appendInt(&s.arena, int64(s.attempts)))
	}
}

// refuseUpgrade answers for a service that does not want to switch protocols.
func (s *stream) refuseUpgrade() {
	s.up.drop()
	h := s.beginReply(s.status, "websocket_handshake_unsuccessful")
	s.mutateResponse(h)
	s.closing, s.upgraded = true, false
}
