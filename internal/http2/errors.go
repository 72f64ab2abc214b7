package http2

import (
	"errors"
	"fmt"
)

// ErrorCode is a reason for ending a stream or a connection (RFC 9113 section 7).
type ErrorCode uint32

// The codes of RFC 9113 section 7.
const (
	NoError ErrorCode = iota
	ProtocolError
	InternalError
	FlowControlError
	SettingsTimeout
	StreamClosed
	FrameSizeError
	RefusedStream
	Cancel
	CompressionError
	ConnectError
	EnhanceYourCalm
	InadequateSecurity
	HTTP11Required
)

var codeNames = [...]string{
	"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR",
	"REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
}

func (c ErrorCode) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return fmt.Sprintf("error code %d", uint32(c))
}

// ConnectionError ends a connection: the other side does not speak HTTP/2, or
// asks for more than it may.
type ConnectionError struct {
	Code   ErrorCode
	Reason string
}

func (e *ConnectionError) Error() string { return "http2: " + e.Code.String() + ": " + e.Reason }

func connError(c ErrorCode, reason string) error { return &ConnectionError{c, reason} }

// ResetError is what a stream's methods return once the stream was reset.
type ResetError struct {
	Code ErrorCode
	// Remote tells a reset by the other side from one of our own.
	Remote bool
}

func (e *ResetError) Error() string { return "http2: stream reset: " + e.Code.String() }

// ErrClosed is what a stream's methods return once its connection has ended, and
// ErrGoAway once the other side takes no new streams. A request whose stream
// failed with ErrGoAway was not processed.
var (
	ErrClosed = errors.New("http2: connection closed")
	ErrGoAway = errors.New("http2: the other side takes no more streams")
	// ErrStreamLimit says that the other side does not take another stream now.
	ErrStreamLimit = errors.New("http2: the other side takes no more streams at once")
)
