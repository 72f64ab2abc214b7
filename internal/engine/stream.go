package engine

import (
	"bytes"
	"time"

	"github.com/crossgate/crossgate/internal/header"
	"github.com/crossgate/crossgate/internal/http1"
	"github.com/crossgate/crossgate/internal/stats"
	"github.com/crossgate/crossgate/internal/upstream"
)

// stream is one request and its answer on their way through a manager. Streams
// are pooled: everything in them is reused, and begin makes them new.
type stream struct {
	streamState

	req    http1.Request
	resp   http1.Response
	upload requestBody // of HTTP/1.1
	// arena holds the header bytes that are made on the way.
	arena header.Arena
	up    exchange
	h2    h2client // the client of a request over HTTP/2
	// trailers are those of the service's answer, once it has ended.
	trailers header.List

	out    []byte   // the answer's head, and what is written with it
	values [][]byte // scratch of mutations.apply
	code   [8]byte  // of %RESP(:status)%
}

// streamState is the part of a stream that begins as zero.
type streamState struct {
	conn    *conn // of HTTP/1.1: what becomes a tunnel
	client  client
	http2   bool // what the client speaks
	hasty   bool // nothing may wait: the goroutine is the one that reads
	stage   stage
	peer    *peer
	manager *manager
	prog    *Program
	vhost   *virtualHost
	route   *route
	target  *target

	scheme    []byte
	authority []byte // as the service will see it
	path      []byte // with the query, as the service will see it
	requestID []byte
	protoless bool // x-forwarded-proto is empty: Envoy finds no route then
	mutated   bool // the headers are those for the service now; before, cameGRPC told
	cameGRPC  bool
	claimed   []byte // the client's address by x-forwarded-for, where that is believed
	badHeader []byte // the name of one whose value cannot be sent to a service

	// The answer. replied is a local reply, whose body is here; otherwise the
	// body is still with the upstream.
	replied bool
	// unanswered hides the status from %RESPONSE_CODE%.
	unanswered bool
	logging    bool // the request has ended, lines of logs are being written
	status     int
	details    string
	flags      responseFlags
	body       []byte
	// replyText is what %LOCAL_REPLY_BODY% stands for while such a body is made.
	replyText []byte

	fault      *stats.Gauge // where the stream's fault is counted; nil: it has none
	corsPolicy *corsPolicy
	corsOrigin []byte
	attempts   int

	upstreamHost    *upstream.Host  // that was tried last
	upstreamTLS     *securedConn    // the connection to it, if it is secured
	upstreamTried   []byte          // the address of the host that was tried last
	upstreamAddress []byte          // the same, once connected
	noRoom          bool            // nothing may wait for a connection to it
	upstreamHTTP2   bool            // what the last attempt spoke
	upstreamBirth   *upstream.Birth // of the connection that the last attempt got

	missed []Miss // for a trace

	redirects int  // that were followed
	rerun     bool // the request has become another one, to be routed anew
	closing   bool // the connection ends with this exchange
	upgraded  bool // the connection is to become a tunnel
	tunnelled bool // it is counted as one
	cut       bool // it ended before its answer had

	start         time.Time
	lately        time.Time // about now, for the router; zero: the clock must be asked
	upstreamFirst time.Time // when the answer's head had come
	end           time.Time
	received      int64 // bytes of the request's body
	sent          int64 // bytes of the answer's body
	// The same with heads and framing, before TLS; known at the end.
	wireReceived, wireSent int64
	noLength               bool  // the answer's content-length is the codec's
	headSent               int64 // of the answer's head, over HTTP/1.1
}

// begin makes the stream ready for a request that arrived at now.
func (s *stream) begin(c *conn, now time.Time) {
	s.renew()
	s.conn, s.client, s.peer = c, c, &c.peer
	s.start, s.lately = now, now
}

// renew leaves nothing of the last request. No state is handed in: a literal of one
// would be most of the stack of an idle connection.
func (s *stream) renew() {
	s.streamState = streamState{}
	s.req.Reset()
	s.resp.Reset()
	s.upload.c, s.upload.done = nil, false
	s.arena.Reset()
	s.trailers.Reset()
	s.up.reset()
}

// pathOnly is the path without its query.
func (s *stream) pathOnly() []byte {
	path, _, _ := bytes.Cut(s.path, []byte("?"))
	return path
}

// query is what follows the question mark.
func (s *stream) query() []byte {
	_, q, _ := bytes.Cut(s.path, []byte("?"))
	return q
}

// pseudoHeader returns the value of a pseudo header of HTTP/2, which Envoy has
// for every request.
func (s *stream) pseudoHeader(name string) []byte {
	switch name {
	case ":method":
		return s.req.Method
	case ":path":
		return s.path
	case ":authority":
		return s.authority
	case ":scheme":
		return s.scheme
	}
	return nil
}

// beginReply makes the answer one of the proxy's own and returns its headers,
// still empty.
func (s *stream) beginReply(status int, details string) *header.List {
	s.replied, s.status, s.details, s.body = true, status, details, nil
	if status == 400 {
		s.closing = true // as Envoy does after each answer 400 of its own
	}
	s.resp.Reset()
	return &s.resp.Headers
}

var (
	hContentLength = []byte("content-length")
	hContentType   = []byte("content-type")
	vTextPlain     = []byte("text/plain")
)

// localReply answers with a text of the proxy, as Envoy's sendLocalReply does:
// with the response headers of the route, if there is one to a service, before
// what describes the body.
func (s *stream) localReply(status int, details string, body []byte) {
	h := s.beginReply(status, details)
	if s.target != nil {
		s.mutateReply(h)
		s.addAttemptCount(h)
	}
	s.describe(h, body)
}

// localReplyGRPC answers with a status of gRPC, which clients of another protocol
// do not get to know.
func (s *stream) localReplyGRPC(code int64, details string, body []byte) {
	h := s.beginReply(200, details)
	if s.target != nil {
		s.mutateReply(h)
		s.addAttemptCount(h)
	}
	s.describeAs(h, body, code)
}

// describe adds the body and what tells of it, as local_reply_config has them; a
// gRPC client gets the status in headers instead.
func (s *stream) describe(h *header.List, body []byte) { s.describeAs(h, body, fromStatus) }

// fromGRPC reports whether the request came as one of gRPC, whatever a route has made
// of its content-type.
func (s *stream) fromGRPC() bool {
	if s.mutated {
		return s.cameGRPC
	}
	return isGRPC(&s.req.Headers)
}

// fromStatus stands for the status of gRPC that the HTTP status means.
const fromStatus = -1

func (s *stream) describeAs(h *header.List, body []byte, code int64) {
	var how *replyBody
	original := body
	typed, hadType := h.Get("content-type")
	if r := s.manager.localReplies; r != nil {
		body, how = r.rewrite(s, h, body)
	}
	if s.fromGRPC() {
		if code == fromStatus {
			code = int64(grpcCodeOf(s.status))
		}
		s.status = 200
		if how != nil && how.json {
			body = bytes.TrimSuffix(body, lineFeed)
		}
		s.describeGRPC(h, code, body)
		return
	}
	// An answer 204 has no body, and bytes after it would be taken for the
	// next answer (RFC 9110 section 15.3.5).
	if len(body) == 0 || s.status == 204 {
		h.Remove("content-type")
		return
	}
	h.Add(hContentLength, appendInt(&s.arena, int64(len(body))))
	if s.status != 304 { // whose content-length is that of another answer
		s.body = body
	}
	now, has := h.Get("content-type")
	switch {
	case !has && how == nil:
		h.Add(hContentType, vTextPlain)
	case !has:
		h.Add(hContentType, how.contentType)
	case how != nil && hadType && bytes.Equal(typed, now) && !bytes.Equal(original, body):
		// What the type was said of is not there any more.
		h.Set(hContentType, how.contentType)
	}
}

var lineFeed = []byte("\n")

var (
	vGRPC        = []byte("application/grpc")
	hGRPCStatus  = []byte("grpc-status")
	hGRPCMessage = []byte("grpc-message")
)

// grpcCodeOf is Envoy's httpToGrpcStatus.
func grpcCodeOf(status int) int {
	switch status {
	case 400:
		return 13
	case 401:
		return 16
	case 403:
		return 7
	case 404:
		return 12
	case 429, 502, 503, 504:
		return 14
	}
	return 2
}

// describeGRPC adds what a gRPC client reads instead of the HTTP status.
func (s *stream) describeGRPC(h *header.List, code int64, body []byte) {
	h.Set(hContentType, vGRPC)
	if v, ok := h.Get("grpc-status"); !ok || len(v) == 0 {
		h.Set(hGRPCStatus, appendInt(&s.arena, code))
	}
	if len(body) > 0 && string(s.req.Method) != "HEAD" {
		h.Set(hGRPCMessage, percentEncoded(&s.arena, body))
	}
}

// percentEncoded writes a text as the value of grpc-message (the gRPC protocol over
// HTTP/2, section Responses); of what may stand there as it is Envoy escapes "~" too.
func percentEncoded(a *header.Arena, text []byte) []byte {
	out := a.Start()
	for _, c := range text {
		if c < ' ' || c >= '~' || c == '%' {
			out = append(out, '%', upperHex[c>>4], upperHex[c&15])
			continue
		}
		out = append(out, c)
	}
	return a.Done(out)
}

// responseFlags are Envoy's: what went wrong with a request.
type responseFlags uint32

const (
	flagDelayInjected responseFlags = 1 << iota // logs have them in the order in which they come about
	flagRetryLimit
	flagNoRoute
	flagNoCluster
	flagNoHealthyUpstream
	flagUpstreamReset
	flagConnectFailure
	flagUpstreamClosed
	flagUpstreamProtocolError
	flagOverflow
	flagUpstreamTimeout
	flagStreamIdle
	flagDownstreamClosed
	flagDownstreamReset
	flagDownstreamProtocolError
	flagFaultInjected
)

var flagNames = []struct{ short, long string }{
	{"DI", "DelayInjected"},
	{"URX", "UpstreamRetryLimitExceeded"},
	{"NR", "NoRouteFound"},
	{"NC", "NoClusterFound"},
	{"UH", "NoHealthyUpstream"},
	{"UR", "UpstreamRemoteReset"},
	{"UF", "UpstreamConnectionFailure"},
	{"UC", "UpstreamConnectionTermination"},
	{"UPE", "UpstreamProtocolError"},
	{"UO", "UpstreamOverflow"},
	{"UT", "UpstreamRequestTimeout"},
	{"SI", "StreamIdleTimeout"},
	{"DC", "DownstreamConnectionTermination"},
	{"DR", "DownstreamRemoteReset"},
	{"DPE", "DownstreamProtocolError"},
	{"FI", "FaultInjected"},
}
