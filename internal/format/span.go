package format

import (
	"fmt"
	"strings"
	"time"
)

// Moment is a point in the course of a request, as COMMON_DURATION names them.
type Moment uint8

// The moments: the first and last byte received from and sent to the client
// (DS) and the service (US), and the opening of the service's connection (CX), its
// TLS handshake (HS) with it.
const (
	NoMoment Moment = iota
	ClientReceiveBegin
	ClientReceiveEnd
	ClientSendBegin
	ClientSendEnd
	ServiceSendBegin
	ServiceSendEnd
	ServiceReceiveBegin
	ServiceReceiveBodyBegin
	ServiceReceiveEnd
	ServiceConnectBegin
	ServiceConnectEnd
	ServiceHandshakeEnd
)

var moments = map[string]Moment{
	"DS_RX_BEG": ClientReceiveBegin, "DS_RX_END": ClientReceiveEnd, "DS_TX_BEG": ClientSendBegin, "DS_TX_END": ClientSendEnd,
	"US_TX_BEG": ServiceSendBegin, "US_TX_END": ServiceSendEnd, "US_RX_BEG": ServiceReceiveBegin,
	"US_RX_BODY_BEG": ServiceReceiveBodyBegin, "US_RX_END": ServiceReceiveEnd,
	"US_CX_BEG": ServiceConnectBegin, "US_CX_END": ServiceConnectEnd, "US_HS_END": ServiceHandshakeEnd,
}

// span is a time between two moments in a unit.
type span struct {
	From, To Moment
	Unit     time.Duration
}

// parseSpan reads FROM:TO and FROM:TO:UNIT. A moment that Envoy does not know is
// one that never comes.
func parseSpan(text string) (span, error) {
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return span{}, fmt.Errorf("%%COMMON_DURATION(%s)%%: want two moments and a unit, as in DS_RX_BEG:DS_TX_END:ms", text)
	}
	s := span{From: moments[parts[0]], To: moments[parts[1]], Unit: time.Millisecond}
	if len(parts) == 3 {
		switch parts[2] {
		case "ms":
		case "us":
			s.Unit = time.Microsecond
		case "ns":
			s.Unit = time.Nanosecond
		default:
			return span{}, fmt.Errorf("%%COMMON_DURATION(%s)%%: %q is none of ms, us and ns", text, parts[2])
		}
	}
	return s, nil
}
