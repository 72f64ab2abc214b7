package engine

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/crossgate/crossgate/internal/header"
	"github.com/crossgate/crossgate/internal/http1"
	"github.com/crossgate/crossgate/internal/http2"
	"github.com/crossgate/crossgate/internal/upstream"
)

// h2client is a stream of HTTP/2 as the client of a request.
type h2client struct {
	conn     *conn // that the stream is on
	st       *http2.Stream
	run      []byte // of the body, read and not taken
	done     bool   // the body has been taken whole
	complete bool   // the answer was sent whole, or nobody wants it

	mu   sync.Mutex
	up   *upstream.Conn
	upst *http2.Stream
	gone bool
	wait context.CancelFunc // for a connection to the service; nil: there is no wait
	wake chan struct{}      // closed when the client goes away; nil: nobody waits

	aborted func() // abort
}

// begin makes the client that of another stream. idle bounds the time between two
// pieces of the answer; 0: no limit.
func (c *h2client) begin(on *conn, st *http2.Stream, idle time.Duration) {
	if c.aborted == nil {
		c.aborted = c.abort
	}
	c.conn, c.st, c.run, c.complete = on, st, nil, false
	c.done = st.HeadOnly()
	c.up, c.upst, c.gone, c.wait, c.wake = nil, nil, false, nil, nil
	st.Serve(c.aborted, idle)
}

// abort is called when the client resets the stream or goes away.
func (c *h2client) abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	if c.wait != nil {
		c.wait()
	}
	if c.wake != nil {
		close(c.wake)
		c.wake = nil
	}
	if c.up != nil {
		c.up.Interrupt()
	}
	if c.upst != nil {
		h2uplink{c.upst}.Interrupt()
	}
}

// hold implements client.
func (c *h2client) hold(up *upstream.Conn, st *http2.Stream) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up, c.upst = up, st
	return c.gone
}

// pending implements client.
func (c *h2client) pending(cancel context.CancelFunc) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wait = cancel
	return c.gone
}

// awaits implements client: a reset of the stream is always seen.
func (c *h2client) awaits() {}

// left implements client.
func (c *h2client) left() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}

// wasReset implements client.
func (c *h2client) wasReset() bool { return remoteReset(c.st.Err()) }

// ended implements client.
func (c *h2client) ended() bool { return c.done || len(c.run) == 0 && c.st.Ended() }

// buffered implements client.
func (c *h2client) buffered() ([]byte, error) {
	if len(c.run) > 0 {
		run := c.run
		c.run = nil
		return run, nil
	}
	if c.done {
		return nil, nil
	}
	return c.next(false)
}

// next is the next piece of the body; its end is no error.
func (c *h2client) next(wait bool) ([]byte, error) {
	run, err := c.st.Next(wait)
	if errors.Is(err, io.EOF) {
		c.done, err = true, nil
	}
	return run, err
}

// fill implements client.
func (c *h2client) fill() (err error) {
	c.run, err = c.next(true)
	return err
}

// skipBuffered implements client.
func (c *h2client) skipBuffered() {
	for {
		if run, err := c.buffered(); err != nil || run == nil {
			return
		}
	}
}

// trailers implements client.
func (c *h2client) trailers() *header.List { return c.st.Trailers() }

// unlimit, interrupt and resume implement client.
func (c *h2client) unlimit()   { c.st.SetReadDeadline(time.Time{}) }
func (c *h2client) interrupt() { c.st.SetReadDeadline(pastTime) }
func (c *h2client) resume()    { c.st.SetReadDeadline(time.Time{}) }

// pause implements client. The body waits in the stream's window meanwhile: what
// comes of it does not keep the client from being taken for idle.
func (c *h2client) pause(d, idle time.Duration) pauseEnd {
	why := pauseOver
	if idle > 0 && idle < d {
		d, why = idle, pauseIdle
	}
	wake := make(chan struct{})
	c.mu.Lock()
	if c.gone {
		close(wake)
	} else {
		c.wake = wake
	}
	c.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-wake:
		return pauseLeft
	case <-timer.C:
		return why
	}
}

// wire implements client.
func (c *h2client) wire() (received, sent int64) { return c.st.Wire() }

// heads implements client.
func (c *h2client) heads(*stream) http2.HeadSizes { return c.st.Heads() }

// sendContinue implements client.
func (c *h2client) sendContinue() error {
	if err := c.st.WriteHead(100, nil, false); err != nil {
		return err
	}
	return c.st.Flush()
}

// replyBody is what is sent of a local reply's body.
func (s *stream) replyBody() []byte {
	if string(s.req.Method) == "HEAD" {
		return nil
	}
	return s.body
}

// reserve reports whether the local reply can be sent without waiting.
func (c *h2client) reserve(s *stream) bool {
	n := len(s.replyBody())
	return n == 0 || c.st.Reserve(n)
}

// reply implements client.
func (c *h2client) reply(s *stream) error {
	body := s.replyBody()
	s.sent = int64(len(body))
	if err := c.st.WriteHead(s.status, &s.resp.Headers, len(body) == 0); err != nil {
		return err
	}
	c.complete = true
	if len(body) == 0 {
		return nil
	}
	return c.st.Write(body, true)
}

// end ends the answer, with the service's trailers if there are any.
func (c *h2client) end(x *exchange) error {
	if t := x.trailers(); t != nil {
		return c.st.WriteTrailers(t)
	}
	return c.st.Write(nil, true)
}

// relay implements client.
func (c *h2client) relay(s *stream) error {
	x := &s.up
	r := &s.resp
	end := r.Framing == http1.NoBody || r.Framing == http1.Length && r.ContentLength == 0
	err := c.st.WriteHead(s.status, &r.Headers, end)
	left := r.ContentLength
	for err == nil && !end {
		var run []byte
		run, end, err = x.take(&left)
		switch {
		case err != nil:
			_ = c.st.Flush() // the head is passed on, as far as there is anybody
			return err
		case len(run) > 0 || end:
			s.sent += int64(len(run))
			if end && x.trailers() != nil {
				err = c.end(x)
				continue
			}
			err = c.st.Write(run, end)
			continue
		}
		if err = c.st.Flush(); err != nil {
			break
		}
		if rerr := x.readBody(left); rerr != nil {
			if r.Framing != http1.UntilClose || !errors.Is(rerr, io.EOF) {
				return rerr
			}
			r.Close, end = true, true
			err = c.end(x)
		}
	}
	if err != nil {
		return clientError{err}
	}
	c.complete = true
	return nil
}
