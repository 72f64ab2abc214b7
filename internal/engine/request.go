package engine

import (
	"bytes"
	"net/netip"

	"github.com/crossgate/crossgate/internal/header"
)

// Names that the manager reads and writes.
var (
	hForwardedFor    = []byte("x-forwarded-for")
	hForwardedProto  = []byte("x-forwarded-proto")
	hForwardedHost   = []byte("x-forwarded-host")
	hExternalAddress = []byte("x-envoy-external-address")
	hRequestID       = []byte("x-request-id")
	hVia             = []byte("via")
	hLocation        = []byte("location")
)

// prepare does what Envoy's connection manager does with a request before it is
// routed: checks, the path's normal form, forwarding headers. It reports false
// when it has answered.
func (s *stream) prepare() bool {
	m := s.manager
	s.scheme = schemeHTTP
	if s.peer.tls != nil {
		s.scheme = schemeHTTPS
	}
	s.authority, s.path = s.req.Authority, s.req.Target
	if !s.req.HasHost && len(s.authority) == 0 {
		if s.req.Minor == 0 && len(m.defaultHost10) > 0 {
			s.authority = m.defaultHost10
		} else {
			s.reject(400, "missing_host_header")
			return false
		}
	}
	if len(s.path) == 0 || s.path[0] != '/' {
		s.manager.stats.RqNoPath.Inc()
		s.describe(s.beginReply(404, "absolute_path_rejected"), nil)
		s.closing = s.closing || string(s.req.Method) == "CONNECT"
		return false
	}
	if string(s.req.Method) == "QUERY" && !s.req.Headers.Has("content-type") {
		s.reject(400, "query_missing_content_type") // what it asks for is in its body
		return false
	}
	if !s.preparePath() {
		return false
	}
	s.prepareAuthority()
	s.prepareHeaders()
	return true
}

// reject answers a request that should not have been sent and ends the
// connection.
func (s *stream) reject(status int, details string) {
	s.describe(s.beginReply(status, details), nil)
	s.closing = true
}

// rejectPath answers a path that has no normal form. Envoy looks for the route of
// a local reply, for the route's response headers; and it finds none as long as
// x-forwarded-proto is not there, which it has not added yet.
func (s *stream) rejectPath() {
	s.manager.stats.RqPathFailed.Inc()
	h := s.beginReply(400, "path_normalization_failed")
	s.closing = true
	s.mutateEarly(h)
	s.describe(h, nil)
}

// mutateEarly is mutateReply for an answer about the path.
func (s *stream) mutateEarly(h *header.List) {
	if proto, _ := s.req.Headers.Get("x-forwarded-proto"); len(proto) == 0 {
		return
	}
	path := s.path
	s.path, _, _ = bytes.Cut(path, []byte("#"))
	if s.vhost = s.manager.routes.hosts.find(s.lowerHost()); s.vhost != nil {
		s.findRoute()
	}
	s.path = path
	if scheme := s.scheme; s.target != nil {
		s.scheme = nil // which Envoy has not found out yet
		s.mutateReply(h)
		s.scheme = scheme
	}
}

func (s *stream) preparePath() bool {
	m := s.manager
	if bytes.IndexByte(s.path, '#') >= 0 {
		s.rejectPath()
		return false
	}
	if m.escapedSlashes != escapedKeep && hasEscapedSlash(s.path) {
		s.path = unescapeSlashes(&s.arena, s.path)
		if m.escapedSlashes == escapedReject {
			s.rejectPath()
			return false
		}
	}
	redirect := m.escapedSlashes == escapedRedirect && !bytes.Equal(s.path, s.req.Target)
	if redirect && isGRPC(&s.req.Headers) {
		s.rejectPath() // its clients follow no redirects
		return false
	}
	if m.normalizePath {
		normal, ok := normalizePath(&s.arena, s.path)
		if !ok {
			s.rejectPath()
			return false
		}
		s.path = normal
	}
	if m.mergeSlashes {
		s.path = mergeSlashes(&s.arena, s.path)
	}
	if redirect {
		s.manager.stats.RqPathSent.Inc()
		h := s.beginReply(307, "path_normalization_failed")
		s.mutateEarly(h)
		s.appendTo(h, hLocation, ",", s.path)
		s.describe(h, nil)
		return false
	}
	return true
}

func (s *stream) prepareAuthority() {
	m := s.manager
	if m.stripTrailingDot && len(s.authority) > 0 {
		host := withoutPort(s.authority)
		if n := len(host); n > 0 && host[n-1] == '.' {
			b := append(s.arena.Start(), host[:n-1]...)
			s.authority = s.arena.Done(append(b, s.authority[n:]...))
		}
	}
	if bare := withoutPort(s.authority); m.stripAnyPort && len(bare)+1 != len(s.authority) {
		s.authority = bare // a colon without a port stays
	}
}

// prepareHeaders follows mutateRequestHeaders: hop-by-hop fields go, fields that
// only trusted peers may send go, and the proxy's own are written.
func (s *stream) prepareHeaders() {
	h := &s.req.Headers
	s.dropHopByHop()
	if v, ok := h.Get("referer"); ok && !validReferer(v) {
		h.Remove("referer")
	}
	external := s.forwardedFor()
	s.dropInternal(s.manager.useRemoteAddress)
	s.forwardClientCert(h)
	proto, has := h.Get("x-forwarded-proto")
	switch {
	case s.manager.useRemoteAddress && s.manager.trustedHops == 0:
		h.Set(hForwardedProto, s.scheme)
	case !has:
		h.Add(hForwardedProto, s.scheme)
	case len(proto) == 0:
		s.protoless = true
	default:
		if string(proto) == "http" || string(proto) == "https" {
			s.scheme = proto
		}
	}
	if s.manager.via != nil {
		s.appendTo(h, hVia, ", ", s.manager.via)
	}
	if s.manager.useRemoteAddress {
		h.Set(hExternalAddress, external)
	}
	s.prepareRequestID()
}

// appendTo appends a value to the list that a header is, or adds the header.
func (s *stream) appendTo(h *header.List, name []byte, separator string, value []byte) {
	i := h.Index(string(name))
	if i < 0 {
		h.Add(name, value)
		return
	}
	b := append(s.arena.Start(), h.Fields[i].Value...)
	if len(b) > 0 {
		b = append(b, separator...)
	}
	h.Fields[i].Value = s.arena.Done(append(b, value...))
}

// dropHopByHop removes what concerns only the connection to the client (RFC 9110
// section 7.6.1). What the connection field names the codec has taken away.
func (s *stream) dropHopByHop() {
	h := &s.req.Headers
	if !s.upgraded {
		h.Remove("connection")
		h.Remove("upgrade")
	}
	h.Remove("keep-alive")
	h.Remove("proxy-connection")
	h.Remove("transfer-encoding")
	// Some services take an underscore for a hyphen, and these for the framing.
	h.Remove("transfer_encoding")
	h.Remove("content_length")
	if te, ok := h.Get("te"); ok {
		if hasTrailers(te) {
			h.Set([]byte("te"), []byte("trailers"))
		} else {
			h.Remove("te")
		}
	}
	if s.req.Expect100 && !s.manager.proxy100 {
		h.Remove("expect")
	}
}

// hasTrailers reports whether a te field has the word.
func hasTrailers(te []byte) bool {
	for len(te) > 0 {
		var word []byte
		word, te, _ = bytes.Cut(te, []byte(","))
		if string(bytes.TrimSpace(word)) == "trailers" {
			return true
		}
	}
	return false
}

func equalFoldText(b []byte, low string) bool {
	if len(b) != len(low) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != low[i] {
			return false
		}
	}
	return true
}

func lower(b []byte) {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
}

// internalHeaders are believed only when a trusted proxy sent them; no peer is.
var internalHeaders = []string{
	"x-envoy-retriable-status-codes", "x-envoy-retriable-header-names", "x-envoy-retry-on", "x-envoy-retry-grpc-on",
	"x-envoy-max-retries", "x-envoy-upstream-alt-stat-name", "x-envoy-upstream-rq-timeout-ms",
	"x-envoy-upstream-rq-per-try-timeout-ms", "x-envoy-upstream-rq-timeout-alt-response",
	"x-envoy-expected-rq-timeout-ms", "x-envoy-force-trace", "x-envoy-ip-tags", "x-envoy-original-url",
	"x-envoy-hedge-on-per-try-timeout", "x-envoy-internal",
}

// edgeHeaders are dropped at the edge of the mesh besides.
var edgeHeaders = []string{
	"x-envoy-decorator-operation", "x-envoy-downstream-service-cluster", "x-envoy-downstream-service-node",
	"x-envoy-original-path", "x-envoy-original-host",
}

var envoyPrefix = []byte("x-envoy-")

func (s *stream) dropInternal(edge bool) {
	h := &s.req.Headers
	any := false
	for i := range h.Fields {
		if bytes.HasPrefix(h.Fields[i].Name, envoyPrefix) {
			any = true
			break
		}
	}
	if !any {
		return
	}
	for _, name := range internalHeaders {
		h.Remove(name)
	}
	if edge {
		for _, name := range edgeHeaders {
			h.Remove(name)
		}
	}
}

// forwardedFor appends the client's address to x-forwarded-for where the
// connection's address counts, and returns the address that the request is taken
// to come from.
func (s *stream) forwardedFor() []byte {
	m := s.manager
	list, _ := s.req.Headers.Get("x-forwarded-for")
	if !m.useRemoteAddress {
		s.claimed = nthFromRight(list, m.trustedHops+1)
		return s.peer.remoteIP
	}
	external := s.peer.remoteIP
	if m.trustedHops > 0 {
		if s.claimed = nthFromRight(list, m.trustedHops); s.claimed != nil {
			external = s.claimed
		}
	}
	if m.skipXFFAppend {
		return external
	}
	s.appendTo(&s.req.Headers, hForwardedFor, ",", s.peer.forwardIP)
	return external
}

// nthFromRight returns the n-th address of a list, counted from its end, or nil.
func nthFromRight(list []byte, n uint32) []byte {
	for ; n > 0; n-- {
		if len(list) == 0 {
			return nil
		}
		i := bytes.LastIndexByte(list, ',')
		item := bytes.TrimSpace(list[i+1:])
		if n == 1 {
			if _, err := netip.ParseAddr(string(item)); err != nil {
				return nil
			}
			return item
		}
		list = list[:max(i, 0)]
	}
	return nil
}

var (
	schemeHTTP  = []byte("http")
	schemeHTTPS = []byte("https")
)

// prepareRequestID gives the request an id: at the edge a new one, otherwise only
// where it has none.
func (s *stream) prepareRequestID() {
	m := s.manager
	h := &s.req.Headers
	id, has := h.Get("x-request-id")
	if m.generateRequestID && (!has || len(id) == 0 || m.useRemoteAddress && !m.preserveRequestID) {
		id = keepUUID(&s.arena)
		h.Set(hRequestID, id)
	}
	s.requestID = id
}
