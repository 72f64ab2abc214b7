package http2

import "time"

// Options are the limits of a session. The zero value of a field is its default.
type Options struct {
	// MaxConcurrentStreams is how many requests a client may have under way. A
	// client keeps to it beside what the server says; its default is no limit.
	MaxConcurrentStreams uint32 // 100
	// MaxHeaderBytes bounds the names and values of one head, MaxHeaders their
	// number; a stream with more is reset.
	MaxHeaderBytes int // 60 KiB
	MaxHeaders     int // 100
	// StreamWindow and ConnectionWindow bound what the other side sends before
	// it is read, in bytes: they are the memory that a stream and a connection
	// can make this side hold. Less than 64 KiB is taken as 64 KiB.
	StreamWindow     uint32 // 256 KiB
	ConnectionWindow uint32 // 1 MiB
	// IdleTimeout ends a connection without streams; 0: never.
	IdleTimeout time.Duration
	// MaxRequests and MaxAge are how many requests a client sends over a connection,
	// and for how long: then it ends with those that are under way; 0: no limit.
	MaxRequests uint32
	MaxAge      time.Duration
	// KeepaliveInterval is how often a PING asks whether the other side is still
	// there; 0: never. The connection ends when nothing at all has come from it
	// for KeepaliveTimeout after the PING.
	KeepaliveInterval, KeepaliveTimeout time.Duration
	// Pool is where streams come from and go to. Nil: one of the session's own.
	Pool *Pool
}

const (
	defaultMaxStreams       = 100
	defaultMaxHeaderBytes   = 60 << 10
	defaultMaxHeaders       = 100
	defaultStreamWindow     = 256 << 10
	defaultConnectionWindow = 1 << 20

	// maxPendingOut bounds what waits to be written; a stream that has more
	// data waits.
	maxPendingOut = 64 << 10
	// maxPendingControl bounds the acknowledgements and resets that wait to be
	// written to a client that sends and does not read: Envoy's
	// max_outbound_control_frames.
	maxPendingControl = 1000
	// maxEmptyFrames bounds frames without content and without an end in a
	// row, and maxIdleFrames those that change nothing between two requests or
	// pieces of a body: PRIORITY, WINDOW_UPDATE, SETTINGS, PING.
	maxEmptyFrames = 10
	maxIdleFrames  = 2000
	// A client floods that resets half of its streams before they were answered
	// and within earlyReset of their beginning (CVE-2023-44487), where a stream
	// that was answered counts for two. It is judged by its first earlyStreams as
	// if the rest of these were good:
	// Envoy's premature_reset_total_stream_count and
	// premature_reset_min_stream_lifetime_seconds.
	earlyStreams = 500
	earlyReset   = time.Second
	// maxContinuations bounds the frames of one header block (CVE-2024-27983).
	maxContinuations = 32
	// writeTimeout ends a connection whose other side reads nothing.
	writeTimeout = 30 * time.Second
)

func (o Options) withDefaults() Options {
	if o.MaxConcurrentStreams == 0 {
		o.MaxConcurrentStreams = defaultMaxStreams
	}
	if o.MaxHeaderBytes == 0 {
		o.MaxHeaderBytes = defaultMaxHeaderBytes
	}
	if o.MaxHeaders == 0 {
		o.MaxHeaders = defaultMaxHeaders
	}
	if o.StreamWindow == 0 {
		o.StreamWindow = defaultStreamWindow
	}
	if o.ConnectionWindow == 0 {
		o.ConnectionWindow = defaultConnectionWindow
	}
	if o.Pool == nil {
		o.Pool = &Pool{}
	}
	if o.KeepaliveTimeout <= 0 {
		o.KeepaliveInterval = 0
	}
	// Less cannot be announced in time (RFC 9113 section 6.9.2).
	o.StreamWindow = max(o.StreamWindow, defaultWindow)
	o.ConnectionWindow = max(o.ConnectionWindow, defaultWindow)
	return o
}
