package engine

import (
	"time"

	"github.com/crossgate/crossgate/internal/header"
	"github.com/crossgate/crossgate/internal/http1"
	"github.com/crossgate/crossgate/internal/http2"
	"github.com/crossgate/crossgate/internal/upstream"
)

// uplink is what carries a request's body to the service.
type uplink interface {
	// send sends a run of the body, framed as f says; scratch is for framing.
	send(run, scratch []byte, f http1.Framing) error
	// end marks the body's end, with trailers where the protocol has them.
	end(trailers *header.List, scratch []byte, f http1.Framing) error
	// Interrupt makes reads and writes fail that are under way or follow.
	Interrupt()
	// LimitReads sets a new limit while another goroutine reads.
	LimitReads(t time.Time)
	// limitWrites bounds the writes from now on.
	limitWrites(t time.Time)
}

// h1uplink is a connection of HTTP/1.1.
type h1uplink struct{ *upstream.Conn }

func (u h1uplink) send(run, scratch []byte, f http1.Framing) error {
	if f != http1.Chunked {
		_, err := u.Write(run)
		return err
	}
	for len(run) > 0 {
		n := min(len(run), len(scratch)-chunkFrame)
		if _, err := u.Write(appendBody(scratch[:0], run[:n], f)); err != nil {
			return err
		}
		run = run[n:]
	}
	return nil
}

// chunkFrame is room for a chunk's size and line ends.
const chunkFrame = 32

func (u h1uplink) end(trailers *header.List, scratch []byte, f http1.Framing) error {
	if f != http1.Chunked {
		return nil
	}
	_, err := u.Write(http1.AppendLastChunk(scratch[:0], trailers))
	return err
}

func (u h1uplink) limitWrites(t time.Time) { _ = u.SetWriteDeadline(t) } // fails only when closed

// h2uplink is a stream of HTTP/2.
type h2uplink struct{ *http2.Stream }

func (u h2uplink) send(run, _ []byte, _ http1.Framing) error { return u.Write(run, false) }

func (u h2uplink) end(trailers *header.List, _ []byte, _ http1.Framing) error {
	if trailers != nil {
		return u.WriteTrailers(trailers)
	}
	return u.Write(nil, true)
}

func (u h2uplink) Interrupt() {
	u.SetReadDeadline(pastTime)
	u.SetWriteDeadline(pastTime)
}

func (u h2uplink) LimitReads(t time.Time)  { u.SetReadDeadline(t) }
func (u h2uplink) limitWrites(t time.Time) { u.SetWriteDeadline(t) }

// link is the way to the service at hand; nil if there is none.
func (x *exchange) link() uplink {
	switch {
	case x.h2 != nil:
		return h2uplink{x.h2}
	case x.conn != nil:
		return h1uplink{x.conn}
	}
	return nil
}
