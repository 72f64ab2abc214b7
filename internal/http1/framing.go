package http1

import (
	"math"

	"github.com/crossgate/crossgate/internal/header"
)

// message is what the fields of a head say about its body and its connection.
// The fields have been joined before it is read.
type message struct {
	connection []byte
	proxyConn  []byte
	upgrade    []byte
	hasUpgrade bool
	expect     []byte

	length      []byte // value of the last content-length
	lengths     int    // number of content-length fields
	coding      []byte // value of the last transfer-encoding
	hasCoding   bool
	manyCodings bool // there are several of them
}

// bodyLens has the bits of the lengths of the names that read looks at.
const bodyLens = 1<<6 | 1<<7 | 1<<10 | 1<<14 | 1<<16 | 1<<17

func (m *message) read(l *header.List) {
	for i := range l.Fields {
		f := &l.Fields[i]
		if uint64(1)<<len(f.Name)&bodyLens == 0 {
			continue
		}
		switch string(f.Name) {
		case "connection":
			m.connection = f.Value
		case "content-length":
			m.length = f.Value
			m.lengths++
		case "expect":
			m.expect = f.Value
		case "proxy-connection":
			m.proxyConn = f.Value
		case "transfer-encoding":
			m.coding, m.hasCoding = f.Value, true
		case "upgrade":
			m.upgrade, m.hasUpgrade = f.Value, true
		}
	}
}

// framing decides where the body ends. It is strict where leniency would let two
// parties disagree: several content-lengths are refused even if they are equal,
// and so are several transfer-encoding fields, of which Envoy accepts empty ones.
// Where allowBoth lets the coding win over a length, the last coding decides whether
// it is the length that is at fault, as in Envoy. dropLength says that the
// content-length field must go.
func (m *message) framing(allowBoth bool) (f Framing, length int64, dropLength bool, err *Error) {
	switch {
	case m.lengths > 1:
		return 0, 0, false, errLength
	case m.hasCoding:
		chunked := equalFold(m.coding, "chunked")
		if m.lengths > 0 && !(allowBoth && chunked) {
			return 0, 0, false, errLengthChunked
		}
		if !chunked || m.manyCodings {
			return 0, 0, false, errTransferCoding
		}
		return Chunked, -1, m.lengths > 0, nil
	case m.lengths == 1:
		n, ok := parseDecimal(m.length)
		if !ok {
			return 0, 0, false, errLength
		}
		if n == 0 {
			return NoBody, 0, false, nil
		}
		return Length, n, false, nil
	}
	return NoBody, 0, false, nil
}

// upgrades reports whether the message asks for, or agrees to, another protocol
// than h2c, which Envoy ignores.
func (m *message) upgrades() bool {
	return m.hasUpgrade && hasToken(m.connection, "upgrade")
}

// closes reports whether the connection ends after the message, which is of
// HTTP/1.minor.
func (m *message) closes(minor int) bool {
	if minor == 0 {
		return !hasToken(m.connection, "keep-alive")
	}
	return hasToken(m.connection, "close") || hasToken(m.proxyConn, "close")
}

// parseDecimal reads a decimal number of any length that fits an int64.
func parseDecimal(b []byte) (int64, bool) {
	var n int64
	for _, c := range b {
		if !isDigit(c) || n > (math.MaxInt64-int64(c-'0'))/10 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(b) > 0
}
