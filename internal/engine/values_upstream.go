package engine

import (
	"strconv"
	"time"

	"github.com/crossgate/crossgate/internal/format"
)

// appendUpstream appends what there is to say of the connection that the last attempt
// got, and of the way to it. Envoy has a list of the hosts and connections that were
// tried, but begins a new one with each attempt.
func (s *stream) appendUpstream(dst []byte, v format.Value) ([]byte, bool) {
	b := s.upstreamBirth
	switch v {
	case format.UpstreamConnectionID:
		if b == nil {
			return append(dst, '0'), true
		}
		return strconv.AppendUint(dst, b.Number(s.peer.engine.number), 10), true
	case format.UpstreamCloseType:
		return append(dst, "Normal"...), s.upstreamHost != nil
	case format.PoolReadyDuration:
		return strconv.AppendInt(dst, s.up.wait.Milliseconds(), 10), s.upstreamHost != nil
	}
	if b == nil {
		return dst, false
	}
	switch v {
	case format.UpstreamConnectionsAttempted:
		return strconv.AppendUint(dst, b.Number(s.peer.engine.number), 10), true
	case format.UpstreamHostsAttempted:
		return append(dst, s.upstreamTried...), true
	case format.UpstreamHostsAttemptedWithoutPort:
		return append(dst, hostOf(s.upstreamTried)...), true
	case format.UpstreamHostNamesAttempted:
		return append(dst, s.hostName(format.UpstreamHostName)...), true
	case format.UpstreamHostNamesAttemptedWithoutPort:
		return append(dst, s.hostName(format.UpstreamHostNameWithoutPort)...), true
	}
	return dst, v == format.UpstreamEndpointID
}

// number is the next number of a connection.
func (e *Engine) number() uint64 { return e.nextID.Add(1) }

// upstreamMoment is when something happened to the connection at hand.
func (s *stream) upstreamMoment(m format.Moment) (time.Time, bool) {
	b := s.upstreamBirth
	if b == nil {
		return time.Time{}, false
	}
	switch m {
	case format.ServiceConnectBegin:
		return b.Begun, true
	case format.ServiceConnectEnd:
		return b.Connected, true
	}
	return b.Secured, !b.Secured.IsZero()
}

// appendSize appends a number of bytes of heads.
func (s *stream) appendSize(dst []byte, v format.Value) []byte {
	var n int64
	switch v {
	case format.RequestHeadersBytes:
		n = s.requestBytes()
	case format.ResponseHeadersBytes:
		n = s.responseBytes()
	case format.ResponseTrailersBytes:
		n = listBytes(&s.trailers)
	case format.HeaderBytesReceived:
		n = s.client.heads(s).Received
	case format.HeaderBytesSent:
		n = s.client.heads(s).Sent
	case format.PlainHeaderBytesReceived:
		n = s.client.heads(s).PlainReceived
	case format.PlainHeaderBytesSent:
		n = s.client.heads(s).PlainSent
	case format.UpstreamHeaderBytesReceived:
		n = s.up.heads().Received
	case format.UpstreamHeaderBytesSent:
		n = s.up.heads().Sent
	case format.UpstreamPlainHeaderBytesReceived:
		n = s.up.heads().PlainReceived
	case format.UpstreamPlainHeaderBytesSent:
		n = s.up.heads().PlainSent
	}
	return strconv.AppendInt(dst, n, 10)
}
