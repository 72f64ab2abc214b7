package engine

import (
	"bytes"
	"crypto/tls"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/crossgate/crossgate/internal/format"
)

// A stream is the format.Source of its request.
var _ format.Source = (*stream)(nil)

// RequestHeader implements format.Source.
func (s *stream) RequestHeader(name string) ([]byte, bool) {
	if name[0] == ':' {
		v := s.pseudoHeader(name)
		if name == ":path" && s.path == nil {
			v = s.req.Target
		}
		return v, len(v) > 0
	}
	return s.req.Headers.Get(name)
}

// ResponseHeader implements format.Source.
func (s *stream) ResponseHeader(name string) ([]byte, bool) {
	return s.resp.Headers.Get(name)
}

// StartTime implements format.Source.
func (s *stream) StartTime() time.Time { return s.start }

// AppendValue implements format.Source.
func (s *stream) AppendValue(dst []byte, v format.Value) ([]byte, bool) {
	switch v {
	case format.ResponseCode:
		return strconv.AppendInt(dst, int64(s.status), 10), true
	case format.ResponseFlags:
		return s.flags.append(dst, false), true
	case format.ResponseFlagsLong:
		return s.flags.append(dst, true), true
	case format.BytesReceived:
		return strconv.AppendInt(dst, s.received, 10), true
	case format.BytesSent:
		return strconv.AppendInt(dst, s.sent, 10), true
	case format.UpstreamRequestAttemptCount:
		return strconv.AppendInt(dst, int64(s.attempts), 10), true
	case format.ConnectionID:
		return strconv.AppendUint(dst, s.peer.id, 10), true
	case format.Duration, format.RequestDuration, format.ResponseDuration:
		return s.appendDuration(dst, v)
	}
	if word := s.word(v); word != "" {
		return append(dst, word...), true
	}
	text := s.text(v)
	return append(dst, text...), len(text) > 0
}

// word returns the values that are names of the configuration.
func (s *stream) word(v format.Value) string {
	switch {
	case v == format.ResponseCodeDetails:
		return s.details
	case v == format.RouteName && s.route != nil:
		return s.route.name
	case v == format.VirtualHostName && s.vhost != nil:
		return s.vhost.name
	case v == format.UpstreamCluster && s.target != nil:
		return s.target.name
	}
	return ""
}

func (s *stream) appendDuration(dst []byte, v format.Value) ([]byte, bool) {
	end := s.end
	switch v {
	case format.RequestDuration:
		var sent bool
		if end, sent = s.up.requestEnd(); !sent {
			return dst, false
		}
	case format.ResponseDuration:
		if end = s.upstreamFirst; end.IsZero() {
			return dst, false
		}
	default:
		if end.IsZero() {
			end = time.Now()
		}
	}
	return strconv.AppendInt(dst, max(end.Sub(s.start).Milliseconds(), 0), 10), true
}

// text returns the values that are texts; nothing where there is none.
func (s *stream) text(v format.Value) []byte {
	switch v {
	case format.Protocol:
		switch {
		case s.http2:
			return protocol2
		case s.req.Minor == 0:
			return protocol10
		}
		return protocol11
	case format.UpstreamHost:
		return s.upstreamAddress
	case format.StreamID:
		return s.requestID
	case format.Hostname:
		return hostname()
	}
	return s.peer.text(v)
}

var (
	protocol10 = []byte("HTTP/1.0")
	protocol11 = []byte("HTTP/1.1")
	protocol2  = []byte("HTTP/2")
)

var hostname = sync.OnceValue(func() []byte {
	name, err := os.Hostname()
	if err != nil {
		return nil
	}
	return []byte(name)
})

// text returns what there is to say of the connection.
func (p *peer) text(v format.Value) []byte {
	switch v {
	case format.DownstreamRemoteAddress, format.DownstreamDirectRemoteAddress:
		return p.remote
	case format.DownstreamRemoteAddressWithoutPort, format.DownstreamDirectRemoteAddressWithoutPort:
		return p.remoteIP
	case format.DownstreamRemotePort:
		return portOf(p.remote)
	case format.DownstreamLocalAddress:
		return p.local
	case format.DownstreamLocalAddressWithoutPort:
		host, _, err := net.SplitHostPort(string(p.local))
		if err == nil {
			return []byte(host)
		}
	case format.DownstreamLocalPort:
		return portOf(p.local)
	}
	if p.tls == nil {
		return nil
	}
	switch v {
	case format.RequestedServerName:
		return []byte(p.tls.ServerName)
	case format.DownstreamTLSVersion:
		switch p.tls.Version {
		case tls.VersionTLS12:
			return []byte("TLSv1.2")
		case tls.VersionTLS13:
			return []byte("TLSv1.3")
		}
	case format.DownstreamTLSCipher:
		return []byte(tls.CipherSuiteName(p.tls.CipherSuite))
	}
	return nil
}

func portOf(address []byte) []byte {
	return address[bytes.LastIndexByte(address, ':')+1:]
}
