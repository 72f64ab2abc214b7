package engine

import (
	"context"
	"time"

	"github.com/crossgate/crossgate/internal/header"
	"github.com/crossgate/crossgate/internal/http2"
	"github.com/crossgate/crossgate/internal/upstream"
)

// client is the downstream half of a stream, in the protocol that the client
// speaks: its request's body as it comes, and the way of the answer back. One
// goroutine reads the body at a time; the answer is the stream's own goroutine's.
type client interface {
	// ended reports whether the whole body has been taken.
	ended() bool
	// buffered returns the next run of the body that is already here, valid
	// until the next call; nothing and no error means that more has to be
	// read, or that the body has ended.
	buffered() ([]byte, error)
	// fill waits for more of the body.
	fill() error
	// skipBuffered takes what is here of a body that nobody wants any more.
	skipBuffered()
	// trailers are the fields after the body, or nil.
	trailers() *header.List
	// unlimit takes the limit of reads away; interrupt makes a read fail that
	// is under way in another goroutine, until resume.
	unlimit()
	interrupt()
	resume()

	// hold notes the connection or the stream that the request waits for (nil:
	// none), to be interrupted when the client goes away or the engine is
	// closed. It reports whether the client has gone.
	hold(c *upstream.Conn, st *http2.Stream) (gone bool)
	// awaits says that the whole body has been sent to the service: until hold is
	// told otherwise, only the client's leave is of interest.
	awaits()
	// pending notes what ends the wait for a connection to the service (nil: there is
	// no wait) when the client goes away. It reports whether the client has gone.
	pending(cancel context.CancelFunc) (gone bool)
	// left reports whether the client has gone, from any goroutine.
	left() bool
	// wasReset reports whether it has gone by a reset of its stream.
	wasReset() bool

	// pause lets d pass and reads on meanwhile, for only so a client that goes
	// away is noticed. It ends early when nothing comes for as long as idle.
	pause(d, idle time.Duration) pauseEnd

	// wire is what has gone over the connection for the request and its answer, in
	// bytes, heads and framing included: what Envoy's BytesMeter counts.
	wire() (received, sent int64)
	// heads are the bytes of the heads and trailers of s and its answer so far.
	heads(s *stream) http2.HeadSizes

	// sendContinue sends 100 Continue.
	sendContinue() error
	// reply sends the local reply of s whole.
	reply(s *stream) error
	// relay passes the answer of the service on: its head is s.resp's. An error
	// of writing to the client is a clientError.
	relay(s *stream) error
}

var (
	_ client = (*conn)(nil)
	_ client = (*h2client)(nil)
)
