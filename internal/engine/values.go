package engine

import (
	"bytes"
	"crypto/x509"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/crossgate/crossgate/internal/format"
)

// A stream is the format.Source of its request.
var _ format.Source = (*stream)(nil)

// RequestHeader implements format.Source.
func (s *stream) RequestHeader(name string) ([]byte, bool) {
	if strings.HasPrefix(s.details, "http1.") {
		return nil, false // what the codec refuses never was a request
	}
	if name == "host" {
		name = ":authority" // which Envoy keeps the field as
	}
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
	if name == ":status" {
		// Not in the arena, in which the text around it is being made.
		return strconv.AppendInt(s.code[:0], int64(s.status), 10), s.status > 0
	}
	if s.noLength && name == "content-length" {
		return nil, false
	}
	return s.resp.Headers.Get(name)
}

// ResponseTrailer implements format.Source.
func (s *stream) ResponseTrailer(name string) ([]byte, bool) { return s.trailers.Get(name) }

// continued reports whether the client was told to go on with its body: until there
// is another one, this is the status.
func (s *stream) continued() bool {
	return s.req.Expect100 && s.manager != nil && !s.manager.proxy100 && s.req.Minor > 0
}

// StartTime implements format.Source.
func (s *stream) StartTime() time.Time { return s.start }

// AppendValue implements format.Source.
func (s *stream) AppendValue(dst []byte, v format.Value) ([]byte, bool) {
	switch v {
	case format.ResponseCode:
		if code := s.status; s.unanswered || code == 0 {
			if s.continued() {
				return append(dst, "100"...), true
			}
			return append(dst, '0'), true
		}
		return strconv.AppendInt(dst, int64(s.status), 10), true
	case format.ResponseFlags:
		return s.flags.append(dst, false), true
	case format.ResponseFlagsLong:
		return s.flags.append(dst, true), true
	case format.BytesReceived:
		return strconv.AppendInt(dst, s.received, 10), true
	case format.BytesSent:
		return strconv.AppendInt(dst, s.sent, 10), true
	case format.WireBytesReceived:
		return strconv.AppendInt(dst, s.wireReceived, 10), true
	case format.WireBytesSent:
		return strconv.AppendInt(dst, s.wireSent, 10), true
	case format.UpstreamWireBytesReceived:
		n, _ := s.up.wire()
		return strconv.AppendInt(dst, n, 10), true
	case format.UpstreamWireBytesSent:
		_, n := s.up.wire()
		return strconv.AppendInt(dst, n, 10), true
	case format.UpstreamRequestAttemptCount:
		return strconv.AppendInt(dst, int64(s.attempts), 10), true
	case format.ConnectionID:
		return strconv.AppendUint(dst, s.peer.id, 10), true
	case format.Duration:
		return s.AppendSpan(dst, format.ClientReceiveBegin, format.ClientSendEnd, time.Millisecond)
	case format.RequestDuration:
		return s.AppendSpan(dst, format.ClientReceiveBegin, format.ClientReceiveEnd, time.Millisecond)
	case format.RequestTxDuration:
		return s.AppendSpan(dst, format.ClientReceiveBegin, format.ServiceSendEnd, time.Millisecond)
	case format.ResponseDuration:
		return s.AppendSpan(dst, format.ClientReceiveBegin, format.ServiceReceiveBegin, time.Millisecond)
	case format.ResponseTxDuration:
		return s.AppendSpan(dst, format.ServiceReceiveBegin, format.ClientSendEnd, time.Millisecond)
	case format.GRPCStatus, format.GRPCStatusSnake, format.GRPCStatusNumber:
		return s.appendGRPCStatus(dst, v)
	case format.LogType:
		if s.logging {
			return append(dst, "DownstreamEnd"...), true
		}
		return append(dst, "NotSet"...), true
	case format.UniqueID:
		return appendUUID(dst), true
	case format.LocalReplyBody:
		return append(dst, s.replyText...), true
	case format.HandshakeDuration:
		if s.peer.tls == nil {
			return dst, false
		}
		return strconv.AppendInt(dst, s.peer.handshaken.Sub(s.start).Milliseconds(), 10), true
	case format.DownstreamRemoteAddress:
		if s.claimed != nil {
			return appendAddress(dst, s.claimed), true
		}
	}
	switch {
	case v >= format.RequestHeadersBytes && v <= format.UpstreamPlainHeaderBytesSent:
		return s.appendSize(dst, v), true
	case v >= format.UpstreamConnectionID && v <= format.PoolReadyDuration:
		return s.appendUpstream(dst, v)
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
	case v == format.ListenerName && s.manager != nil:
		return s.manager.listener
	case v == format.FilterChainName && s.manager != nil:
		return s.manager.chain
	case v == format.UpstreamTransportFailureReason:
		return s.connectReason()
	case s.target == nil || s.target.cluster == nil:
	case v == format.UpstreamCluster:
		return s.target.altName
	case v == format.UpstreamClusterRaw:
		return s.target.name
	}
	return ""
}

// Metadata implements format.Source.
func (s *stream) Metadata(of format.Holder) map[string]*structpb.Struct {
	switch {
	case of == format.ListenerHolder && s.manager != nil:
		return s.manager.metadata.GetFilterMetadata()
	case of == format.RouteHolder && s.route != nil:
		return s.route.metadata.GetFilterMetadata()
	case of == format.VirtualHostHolder && s.vhost != nil:
		return s.vhost.metadata.GetFilterMetadata()
	case of == format.ClusterHolder && s.target != nil && s.target.cluster != nil:
		return s.target.cluster.Metadata.GetFilterMetadata()
	case of == format.HostHolder && s.upstreamHost != nil:
		return s.upstreamHost.Metadata().GetFilterMetadata()
	}
	return nil
}

// Validity implements format.Source.
func (s *stream) Validity(ofService bool) (from, to time.Time, ok bool) {
	var chain []*x509.Certificate
	switch {
	case ofService && s.upstreamTLS != nil:
		chain = s.upstreamTLS.ConnectionState().PeerCertificates
	case !ofService && s.peer.tls != nil:
		chain = s.peer.tls.PeerCertificates
	}
	if len(chain) == 0 {
		return
	}
	return chain[0].NotBefore, chain[0].NotAfter, true
}

// connectReason is why the last connection could not be opened, which stands in
// the details of the answer.
func (s *stream) connectReason() string {
	if s.flags&flagConnectFailure == 0 {
		return ""
	}
	_, reason, _ := strings.Cut(s.details, "|")
	return strings.TrimSuffix(reason, "}")
}

// AppendSpan implements format.Source.
func (s *stream) AppendSpan(dst []byte, from, to format.Moment, unit time.Duration) ([]byte, bool) {
	begin, ok := s.moment(from)
	end, also := s.moment(to)
	if !ok || !also || end.Before(begin) {
		return dst, false
	}
	return strconv.AppendInt(dst, int64(end.Sub(begin)/unit), 10), true
}

// moment is when something happened to the request, as far as it is noted: the
// body goes to the service as it comes, and the answer to the client.
func (s *stream) moment(m format.Moment) (time.Time, bool) {
	switch m {
	case format.ClientReceiveBegin:
		return s.start, true
	case format.ClientReceiveEnd:
		if t, sent := s.up.requestEnd(); sent {
			return t, true
		}
		// An answer of the proxy's own to a request without a body.
		return s.start, s.replied && s.received == 0 && len(s.req.Method) > 0 && s.flags&flagDownstreamProtocolError == 0
	case format.ServiceSendBegin:
		return s.up.began, len(s.upstreamAddress) > 0
	case format.ServiceSendEnd:
		if len(s.upstreamAddress) == 0 {
			return time.Time{}, false
		}
		return s.up.requestEnd()
	case format.ClientSendBegin:
		if s.replied {
			return s.end, s.status != 0 && !s.end.IsZero()
		}
		return s.upstreamFirst, !s.upstreamFirst.IsZero()
	case format.ServiceReceiveBegin:
		return s.upstreamFirst, !s.upstreamFirst.IsZero()
	case format.ServiceReceiveBodyBegin:
		if s.up.bodyFirst.IsZero() {
			return s.upstreamFirst, s.sent > 0 && !s.replied && !s.upstreamFirst.IsZero()
		}
		return s.up.bodyFirst, !s.replied
	case format.ServiceConnectBegin, format.ServiceConnectEnd, format.ServiceHandshakeEnd:
		return s.upstreamMoment(m)
	case format.ServiceReceiveEnd:
		return s.end, !s.upstreamFirst.IsZero() && !s.end.IsZero()
	case format.ClientSendEnd:
		if s.end.IsZero() {
			return time.Now(), true
		}
		return s.end, true
	}
	return time.Time{}, false
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
		if s.noRoom {
			return nil
		}
		return s.upstreamTried
	case format.UpstreamHostName, format.UpstreamHostNameWithoutPort:
		return s.hostName(v)
	case format.UpstreamRemoteAddress:
		return s.upstreamAddress
	case format.UpstreamRemoteAddressWithoutPort:
		return hostOf(s.upstreamAddress)
	case format.UpstreamRemotePort:
		return portOf(s.upstreamAddress)
	case format.UpstreamLocalAddress, format.UpstreamLocalAddressWithoutPort, format.UpstreamLocalPort:
		return s.up.localText(v)
	case format.UpstreamProtocol:
		return s.upstreamProtocol()
	case format.UpstreamTLSVersion, format.UpstreamTLSCipher, format.UpstreamTLSGroup, format.UpstreamServerName, format.UpstreamPeerSubject,
		format.UpstreamPeerIssuer, format.UpstreamPeerCert, format.UpstreamPeerURIs, format.UpstreamPeerDNSNames, format.UpstreamPeerIPs,
		format.UpstreamLocalURIs, format.UpstreamLocalDNSNames, format.UpstreamLocalIPs:
		return s.upstreamTLS.text(v)
	case format.QueryParams:
		return s.query()
	case format.StreamID:
		return s.requestID
	case format.Hostname:
		return hostname()
	}
	if s.claimed != nil {
		switch v {
		case format.DownstreamRemoteAddressWithoutPort:
			return s.claimed
		case format.DownstreamRemotePort:
			return vZero
		}
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
	case format.DownstreamRemotePort, format.DownstreamDirectRemotePort:
		return portOf(p.remote)
	case format.DownstreamLocalAddress, format.DownstreamDirectLocalAddress:
		return p.local
	case format.DownstreamLocalAddressWithoutPort:
		return hostOf(p.local)
	case format.DownstreamLocalPort:
		return portOf(p.local)
	}
	if p.tls == nil {
		return nil
	}
	switch {
	case v >= format.DownstreamLocalSubject && v <= format.DownstreamLocalOtherNames:
		return localCertText(p.own, v)
	case v >= format.DownstreamPeerSubject && v <= format.DownstreamPeerOtherNames:
		return clientCertText(p.tls.PeerCertificates, v)
	case v == format.DownstreamPeerIssuerSHA256 || v == format.DownstreamPeerIssuerSerial:
		return p.issuerText(v)
	}
	switch v {
	case format.RequestedServerName:
		return []byte(p.tls.ServerName)
	case format.DownstreamTLSVersion:
		return versionText(p.tls.Version)
	case format.DownstreamTLSCipher:
		return []byte(cipherText(p.tls.CipherSuite))
	case format.DownstreamTLSGroup:
		return groupText(p.tls.CurveID)
	}
	return nil
}

// appendAddress writes an IP address with the port that nobody knows.
func appendAddress(dst, ip []byte) []byte {
	if bytes.IndexByte(ip, ':') < 0 {
		return append(append(dst, ip...), ":0"...)
	}
	return append(append(append(dst, '['), ip...), "]:0"...)
}

func portOf(address []byte) []byte {
	return address[bytes.LastIndexByte(address, ':')+1:]
}

// hostName is what the endpoint that was tried is called, or else its address.
func (s *stream) hostName(v format.Value) []byte {
	name := s.upstreamTried
	if s.upstreamHost != nil && s.upstreamHost.Name() != "" {
		name = []byte(s.upstreamHost.Name())
	}
	if v == format.UpstreamHostNameWithoutPort {
		return hostOnly(name)
	}
	return name
}

// hostOf is an address without its port, and without the brackets of IPv6.
func hostOf(address []byte) []byte {
	return bytes.Trim(address[:max(bytes.LastIndexByte(address, ':'), 0)], "[]")
}

// localText is the proxy's own end of the connection to the service.
func (x *exchange) localText(v format.Value) []byte {
	if x.local == nil || len(x.s.upstreamAddress) == 0 {
		return nil
	}
	address := []byte(x.local.String())
	switch v {
	case format.UpstreamLocalAddressWithoutPort:
		return hostOf(address)
	case format.UpstreamLocalPort:
		return portOf(address)
	}
	return address
}

// upstreamProtocol is what the service speaks.
func (s *stream) upstreamProtocol() []byte {
	switch {
	case len(s.upstreamAddress) == 0:
		return nil
	case s.upstreamHTTP2:
		return protocol2
	}
	return protocol11
}
