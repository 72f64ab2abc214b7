package engine

import (
	"errors"
	"io"

	"github.com/crossgate/crossgate/internal/http1"
)

// requestBody reads the body of the request at hand. What came with the head is
// taken from the connection's buffer; the rest is read into the room behind the
// head, or into a buffer of its own where that is too small: the head stays, for
// header slices point into it.
type requestBody struct {
	c       *conn
	framing http1.Framing
	left    int64
	chunks  http1.ChunkDecoder
	buf     []byte
	base    int // buf[base:] is the window
	r, w    int // buf[r:w] has not been taken
	own     bool
	raw     int64 // bytes that were taken, framing included
	done    bool
}

func (b *requestBody) begin(c *conn, r *http1.Request) {
	b.c, b.framing, b.left = c, r.Framing, r.ContentLength
	b.buf, b.base, b.r, b.w = c.in, c.head, c.head, c.w
	b.done = r.Framing == http1.NoBody || r.Framing == http1.Length && r.ContentLength == 0
	if r.Framing == http1.Chunked {
		b.chunks.KeepTrailers = c.chain.manager.trailers
		b.chunks.Reset()
	}
}

// ended reports whether the whole body has been taken.
func (b *requestBody) ended() bool { return b.done }

// rest is what the client has sent beyond the body, as far as it is here.
func (b *requestBody) rest() []byte { return b.buf[b.r:b.w] }

// wire is how much of the body has come, framing included: what was taken, and what
// lies here of one that nobody wanted.
func (b *requestBody) wire() int64 {
	here := int64(b.w - b.r)
	switch {
	case b.done || b.c == nil:
		here = 0
	case b.framing == http1.Length:
		here = min(here, b.left)
	}
	return b.raw + here
}

// release gives back what begin and fill took.
func (b *requestBody) release() {
	if b.own {
		b.c.engine.buffers.put(b.buf)
	}
	b.buf, b.own, b.raw, b.r, b.w = nil, false, 0, 0, 0
}

// readAhead reads more of what the client sends without taking any of it, into a
// large buffer at most; full says that there is no room.
func (b *requestBody) readAhead() (full bool, err error) {
	if b.w == len(b.buf) {
		if b.done || len(b.buf)-b.base >= largeBuffer {
			return true, nil
		}
		buf := b.c.engine.buffers.getLarge()
		b.w = copy(buf, b.buf[b.r:b.w])
		if b.own {
			b.c.engine.buffers.put(b.buf)
		}
		b.buf, b.base, b.r, b.own = buf, 0, 0, true
	}
	n, err := b.c.nc.Read(b.buf[b.w:])
	b.w += n
	b.c.received(n, err)
	if n > 0 {
		err = nil
	}
	return false, err
}

// errBadBody is a chunked body that is none.
var errBadBody = errors.New("malformed chunked body")

// buffered returns the next run of the body that is already here; nothing and no
// error means that more has to be read, or that the body has ended.
func (b *requestBody) buffered() ([]byte, error) {
	if b.done || b.r == b.w {
		return nil, nil
	}
	if b.framing == http1.Length {
		data := b.buf[b.r:b.w]
		data = data[:min(int64(len(data)), b.left)]
		b.r += len(data)
		b.raw += int64(len(data))
		b.left -= int64(len(data))
		b.done = b.left == 0
		return data, nil
	}
	for !b.done {
		data, n, done, perr := b.chunks.Next(b.buf[b.r:b.w])
		if perr != nil {
			return nil, errBadBody
		}
		b.r += n
		b.raw += int64(n)
		b.done = done
		if len(data) > 0 {
			return data, nil
		}
		if n == 0 {
			break
		}
	}
	return nil, nil
}

// skipBuffered takes what is here of a body that nobody wants any more.
func (b *requestBody) skipBuffered() {
	for {
		data, err := b.buffered()
		if err != nil || data == nil {
			return
		}
	}
}

// minWindow is the least room for a body behind its head.
const minWindow = 4 << 10

// fill reads more of the body.
func (b *requestBody) fill() error {
	if len(b.buf)-b.base < minWindow {
		buf := b.c.engine.buffers.get()
		b.w = copy(buf, b.buf[b.r:b.w])
		b.buf, b.base, b.r, b.own = buf, 0, 0, true
	}
	if b.r == b.w {
		b.r, b.w = b.base, b.base
	} else if b.w == len(b.buf) {
		// A chunk's head is cut in two: the rest goes to the window's front.
		b.w = b.base + copy(b.buf[b.base:], b.buf[b.r:b.w])
		b.r = b.base
	}
	n, err := b.c.nc.Read(b.buf[b.w:])
	b.w += n
	b.c.received(n, err)
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}
