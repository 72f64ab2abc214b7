package http1

import "github.com/crossgate/crossgate/internal/header"

// Envoy keeps some fields once per message: a repeated one is appended to the
// first with "," and no blank, in the first one's place; empty values leave no
// comma. All other fields stay as they are, cookie and set-cookie included. The
// two tables were measured on Envoy 1.40: 230 field names, each sent twice with
// another field in between, through a proxy that trusts its client, in requests
// and in responses. Fields that Envoy takes out before a trace of them could be
// seen (connection and its like, retry settings) are in the table too: there the
// joined value is what is interpreted.
var (
	joinedRequest = newNameSet(
		"accept",
		"accept-encoding",
		"access-control-request-headers",
		"access-control-request-method",
		"access-control-request-private-network",
		"authorization",
		"cache-control",
		"cdn-loop",
		"connection",
		"content-encoding",
		"content-type",
		"expect",
		"grpc-accept-encoding",
		"grpc-timeout",
		"host",
		"if-match",
		"if-modified-since",
		"if-none-match",
		"if-range",
		"if-unmodified-since",
		"keep-alive",
		"origin",
		"pragma",
		"proxy-connection",
		"proxy-status",
		"referer",
		"te",
		"transfer-encoding",
		"upgrade",
		"user-agent",
		"via",
		"x-client-trace-id",
		"x-envoy-attempt-count",
		"x-envoy-decorator-operation",
		"x-envoy-downstream-service-cluster",
		"x-envoy-downstream-service-node",
		"x-envoy-expected-rq-timeout-ms",
		"x-envoy-external-address",
		"x-envoy-force-trace",
		"x-envoy-hedge-on-per-try-timeout",
		"x-envoy-internal",
		"x-envoy-ip-tags",
		"x-envoy-is-timeout-retry",
		"x-envoy-max-retries",
		"x-envoy-original-host",
		"x-envoy-original-path",
		"x-envoy-original-url",
		"x-envoy-retriable-header-names",
		"x-envoy-retriable-status-codes",
		"x-envoy-retry-grpc-on",
		"x-envoy-retry-on",
		"x-envoy-upstream-alt-stat-name",
		"x-envoy-upstream-rq-per-try-timeout-ms",
		"x-envoy-upstream-rq-timeout-alt-response",
		"x-envoy-upstream-rq-timeout-ms",
		"x-envoy-upstream-stream-duration-ms",
		"x-forwarded-client-cert",
		"x-forwarded-for",
		"x-forwarded-host",
		"x-forwarded-port",
		"x-forwarded-proto",
		"x-request-id",
	)
	joinedResponse = newNameSet(
		"access-control-allow-credentials",
		"access-control-allow-headers",
		"access-control-allow-methods",
		"access-control-allow-origin",
		"access-control-allow-private-network",
		"access-control-expose-headers",
		"access-control-max-age",
		"age",
		"cache-control",
		"connection",
		"content-encoding",
		"content-type",
		"date",
		"etag",
		"expires",
		"grpc-message",
		"grpc-status",
		"keep-alive",
		"last-modified",
		"location",
		"proxy-connection",
		"proxy-status",
		"server",
		"transfer-encoding",
		"upgrade",
		"vary",
		"via",
		"x-envoy-attempt-count",
		"x-envoy-decorator-operation",
		"x-envoy-degraded",
		"x-envoy-immediate-health-check-fail",
		"x-envoy-ratelimited",
		"x-envoy-upstream-canary",
		"x-envoy-upstream-healthchecked-cluster",
		"x-envoy-upstream-service-time",
		"x-request-id",
	)
)

// nameSet numbers up to 64 names. It is a hash table with open addressing and
// few enough names that almost every look-up ends at its first slot.
type nameSet struct {
	slots [512]uint8 // number of the name plus one, 0 for none
	names []string
}

func newNameSet(names ...string) *nameSet {
	s := &nameSet{names: names}
	for i, name := range names {
		at := slotOf([]byte(name))
		for s.slots[at] != 0 {
			at = (at + 1) % uint(len(s.slots))
		}
		s.slots[at] = uint8(i + 1)
	}
	return s
}

func slotOf(name []byte) uint {
	n := len(name)
	return (uint(n)*37 + uint(name[0])*5 + uint(name[n/2])*61 + uint(name[n-1])*11) % 512
}

// index returns the number of the name, or -1. The name is not empty.
func (s *nameSet) index(name []byte) int {
	for at := slotOf(name); ; at = (at + 1) % uint(len(s.slots)) {
		i := int(s.slots[at]) - 1
		if i < 0 || s.names[i] == string(name) {
			return i
		}
	}
}

// joinRepeated joins the fields that were found repeated: bit i of repeated is
// name i of the set. It makes one pass for each such name, so that a head full
// of repeated fields costs no more than its length times the set's.
func joinRepeated(l *header.List, a *header.Arena, s *nameSet, repeated uint64) {
	for i := 0; repeated != 0; i, repeated = i+1, repeated>>1 {
		if repeated&1 != 0 {
			joinOne(l, a, s.names[i])
		}
	}
}

func joinOne(l *header.List, a *header.Arena, name string) {
	first := l.Index(name)
	value := a.Start()
	kept := l.Fields[:first+1]
	for _, f := range l.Fields[first:] {
		if string(f.Name) == name {
			value = appendJoined(value, f.Value)
		}
	}
	for _, f := range l.Fields[first+1:] {
		if string(f.Name) != name {
			kept = append(kept, f)
		}
	}
	l.Fields = kept
	l.Fields[first].Value = a.Done(value)
}

// appendJoined appends another value of a field.
func appendJoined(dst, value []byte) []byte {
	if len(dst) > 0 && len(value) > 0 {
		dst = append(dst, ',')
	}
	return append(dst, value...)
}

// The bits of transfer-encoding among the repeated names.
var (
	requestCoding  = uint64(1) << joinedRequest.index([]byte("transfer-encoding"))
	responseCoding = uint64(1) << joinedResponse.index([]byte("transfer-encoding"))
)

// JoinsRequest and JoinsResponse report whether Envoy keeps the field, given by
// its lower-case name, once per message: a value that is appended to one that is
// there joins it after a comma.
func JoinsRequest(name []byte) bool { return joinedRequest.index(name) >= 0 }

// JoinsResponse is JoinsRequest for responses.
func JoinsResponse(name []byte) bool { return joinedResponse.index(name) >= 0 }

// JoinRequest joins the repeated fields of a request that came without being
// parsed here (by HTTP/2), as ParseRequest does. Values are kept in a.
func JoinRequest(l *header.List, a *header.Arena) { joinList(l, a, joinedRequest) }

// JoinResponse is JoinRequest for an answer.
func JoinResponse(l *header.List, a *header.Arena) { joinList(l, a, joinedResponse) }

func joinList(l *header.List, a *header.Arena, s *nameSet) {
	var seen, repeated uint64
	for i := range l.Fields {
		if n := s.index(l.Fields[i].Name); n >= 0 {
			bit := uint64(1) << n
			repeated |= seen & bit
			seen |= bit
		}
	}
	joinRepeated(l, a, s, repeated)
}
