package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crossgate/crossgate/internal/header"
	"github.com/crossgate/crossgate/internal/http1"
	"github.com/crossgate/crossgate/internal/http2"
	"github.com/crossgate/crossgate/internal/upstream"
)

// conn is one connection of a client. It is served by one goroutine, in plain
// blocking style; while it waits for a request it holds no buffer.
type conn struct {
	peer

	lis   *listener
	lp    *listenerProgram
	chain *filterChain
	count connCount

	nc   net.Conn // what is read and written: TLS or the socket itself
	sock net.Conn
	wait waiter

	tlsWire *clientWire // below nc; nil without TLS
	first   [1]byte     // of what comes by TLS

	in   []byte       // head of the request, then a window of its body
	w    int          // in[:w] is filled
	head int          // in[:head] is the head
	body *requestBody // of the stream at hand

	session        atomic.Pointer[http2.Session] // of HTTP/2
	tasks          sync.WaitGroup                // requests of HTTP/2 that workers serve
	state          atomic.Int32
	upstream       atomic.Pointer[upstream.Conn] // what the request at hand waits for
	upstreamStream atomic.Pointer[http2.Stream]  // the same, of HTTP/2

	waiting atomic.Uint32                      // the number of the wait at hand, see leave.go; 0: none
	waits   uint32                             // so far
	seen    uint32                             // the wait that the last sweep found
	watch   *watch                             // of a wait that is watched
	connect atomic.Pointer[context.CancelFunc] // ends the wait for a connection
	gone    atomic.Bool                        // the client has left

	readAt   time.Time // read deadline in force
	writeAt  time.Time
	vec      [2][]byte
	bufs     net.Buffers
	requests int
	turns    turns
	wireSent int64 // bytes of the answer at hand
}

// States of a connection, for draining.
const (
	connIdle int32 = iota
	connActive
	connClosing
)

// deadlineSlack is how much later than asked a long deadline may fire, so that
// it need not be renewed for every request.
func deadlineSlack(d time.Duration) time.Duration { return d / 64 }

// setReadTimeout makes reads fail after d; 0 means never.
func (c *conn) setReadTimeout(now time.Time, d time.Duration) {
	if next, ok := renewed(c.readAt, now, d); ok {
		c.readAt = next
		_ = c.nc.SetReadDeadline(next) // fails only when closed: the read says so
	}
}

func (c *conn) setWriteTimeout(now time.Time, d time.Duration) {
	if next, ok := renewed(c.writeAt, now, d); ok {
		c.writeAt = next
		_ = c.nc.SetWriteDeadline(next)
	}
}

func renewed(current, now time.Time, d time.Duration) (time.Time, bool) {
	if d == 0 {
		return time.Time{}, !current.IsZero()
	}
	slack := deadlineSlack(d)
	if left := current.Sub(now); !current.IsZero() && left >= d && left-d <= slack {
		return current, false
	}
	return now.Add(d).Add(slack), true // their sum may be no Duration
}

// serve answers requests until the connection ends.
func (c *conn) serve() {
	defer c.close()
	http2, ok := c.speaksHTTP2()
	if !ok {
		return
	}
	c.count.speak(http2)
	if http2 {
		c.serveHTTP2()
		return
	}
	now := time.Now()
	for {
		s, ok := c.next(now)
		if !ok {
			return
		}
		again := c.exchange(s)
		now = s.end
		c.requests++
		c.consume()
		c.engine.streams.put(s)
		if !again {
			return
		}
	}
}

// next waits for the first bytes of a request and parses its head. A head that
// is refused is answered here. now is when the last request ended.
func (c *conn) next(now time.Time) (*stream, bool) {
	if c.w == 0 && !c.await(now) {
		return nil, false
	}
	c.state.Store(connActive)
	if !c.refresh() {
		return nil, false
	}
	s := c.engine.streams.get()
	s.begin(c, time.Now())
	c.body = &s.upload
	codec := &c.chain.manager.codec
	for {
		n, perr := http1.ParseRequest(c.in[:c.w], &s.req, codec)
		if perr != nil {
			c.refuse(s, perr)
			c.engine.streams.put(s)
			return nil, false
		}
		if n > 0 {
			c.head = n
			c.body.begin(c, &s.req)
			return s, true
		}
		if !c.more(s) {
			if s.manager == nil { // it was not refused
				c.countCut()
			}
			c.engine.streams.put(s)
			return nil, false
		}
	}
}

// await blocks until the client has sent something, into a buffer that is taken
// only then.
func (c *conn) await(now time.Time) bool {
	c.state.Store(connIdle)
	if c.lis.done.Load() {
		return false
	}
	c.setReadTimeout(now, c.idleTimeout())
	if c.requests > 0 {
		c.turns.yield()
	}
	n, err := c.wait.read(c)
	c.w = n
	c.received(n, err)
	if errors.Is(err, os.ErrDeadlineExceeded) && !c.lis.done.Load() {
		c.count.manager.CxIdleTimeout.Inc()
	}
	return n > 0 && (err == nil || errors.Is(err, io.EOF))
}

// idleTimeout is how long the connection may say nothing from now on; 0 is for ever.
// What is accepted silent has been so before; half of the time is left at least, so that
// a busy machine does not take what has just come for silent.
func (c *conn) idleTimeout() time.Duration {
	d := c.chain.manager.idleTimeout
	if d > 0 && c.requests == 0 && c.tls == nil {
		d = max(d-c.lis.held, d/2)
	}
	return d
}

// refresh takes the newest configuration: a request begins on it and ends on it.
func (c *conn) refresh() bool {
	if c.lis.program.Load() == c.lp {
		return true
	}
	lp, chain := c.current()
	if chain == nil {
		return false
	}
	c.lp, c.chain = lp, chain
	return true
}

// current is the newest configuration of the connection; no chain if it has none
// for it any more.
func (c *conn) current() (*listenerProgram, *filterChain) {
	lp := c.lis.program.Load()
	name := ""
	if c.tls != nil {
		name = c.tls.ServerName
	}
	chain := lp.find(name)
	if chain == nil || (chain.tls != nil) != (c.tls != nil) {
		return lp, nil
	}
	return lp, chain
}

// more reads more of an incomplete head. Reading a head is not quick by nature,
// so its deadlines are exact.
func (c *conn) more(s *stream) bool {
	if c.w == len(c.in) {
		c.in = append(make([]byte, 0, 2*len(c.in)), c.in...)
		c.in = c.in[:cap(c.in)]
	}
	limit, late := c.chain.manager.headLimit()
	if limit > 0 {
		c.readAt = s.start.Add(limit)
		_ = c.nc.SetReadDeadline(c.readAt)
	} else {
		c.setReadTimeout(time.Now(), 0)
	}
	n, err := c.nc.Read(c.in[c.w:])
	c.w += n
	c.received(n, err)
	if n > 0 {
		return true
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.refuse(s, late)
	}
	return false
}

// headLimit is how long a client may take for a request's head, and what it is told
// then. Envoy has three timers for it; the first one to fire counts.
func (m *manager) headLimit() (limit time.Duration, late *http1.Error) {
	limit, late = m.streamIdleTimeout, &errIdleTimeout
	if d := m.headersTimeout; d > 0 && (limit == 0 || d < limit) {
		limit, late = d, &errHeadTimeout
	}
	if d := m.requestTimeout; d > 0 && (limit == 0 || d < limit) {
		limit, late = d, &errRequestTimeout
	}
	return limit, late
}

var (
	errIdleTimeout    = http1.Error{Status: 408, Details: "stream_idle_timeout", Message: "stream timeout"}
	errHeadTimeout    = http1.Error{Status: 408, Details: "request_header_timeout", Message: "request header timeout"}
	errRequestTimeout = http1.Error{Status: 408, Details: "request_overall_timeout", Message: "request timeout"}
)

// refuse answers what is not a request and ends the connection.
func (c *conn) refuse(s *stream, e *http1.Error) {
	s.manager, s.prog = c.chain.manager, c.lp.prog
	s.arrive()
	s.req.Headers.Reset()
	s.req.Minor, s.closing = 1, true
	c.head = c.w // all that has come counts as the request
	s.flags |= flagDownstreamProtocolError
	body := c.engine.statusText(e.Status)
	if e.Status == 408 {
		s.flags, body = 0, []byte(e.Message)
		s.req.Method, s.req.Target = nil, nil // of which half may be here
	}
	switch e {
	case &errHeadTimeout:
		s.manager.stats.RqHeadTimeout.Inc()
	case &errRequestTimeout:
		s.manager.stats.RqTimeout.Inc()
	case &errIdleTimeout:
		s.flags = flagStreamIdle
		s.manager.stats.RqIdleTimeout.Inc()
	default:
		s.manager.stats.CxProtocol.Inc()
		s.manager.stats.RqReset.Inc()
	}
	s.localReply(e.Status, e.Details, body)
	s.finish()
	s.log()
	c.linger()
}

// exchange takes one request through its manager and reports whether the
// connection can carry another one.
func (c *conn) exchange(s *stream) bool {
	s.manager, s.prog = c.chain.manager, c.lp.prog
	s.arrive()
	if s.req.Close || c.lis.done.Load() {
		s.closing = true
	}
	if t := s.manager.streamIdleTimeout; t > 0 || !c.writeAt.IsZero() {
		c.setWriteTimeout(s.start, t)
	}
	if s.req.Expect100 && !s.manager.proxy100 {
		// Envoy asks for the body itself, whatever becomes of the request.
		if c.sendContinue() != nil {
			s.lostClient()
			s.log()
			return false
		}
	}
	s.upgraded = len(s.req.Upgrade) > 0 && !equalFoldText(s.req.Upgrade, "h2c")
	if s.prepare() {
		s.dispatch()
	}
	if s.replied {
		if !c.body.ended() {
			s.closing = true
		}
		s.finish()
	}
	s.log()
	if !c.body.ended() && !s.upgraded {
		c.linger()
	}
	return !s.closing && c.body.ended()
}

var text100 = []byte("HTTP/1.1 100 Continue\r\n\r\n")

// consume moves what the client has sent beyond the request to the front, and
// gives the buffer back when there is nothing.
func (c *conn) consume() {
	rest := c.body.rest()
	if len(rest) > len(c.in) { // of a large window
		c.in = make([]byte, len(rest))
	}
	c.w = copy(c.in, rest)
	c.body.release()
	c.head, c.wireSent = 0, 0
	if c.w == 0 {
		c.engine.buffers.put(c.in)
		c.in = nil
	}
}

// linger ends the connection so that the client can still read the answer: with
// unread bytes in the socket a close would reset it (RFC 9112 section 9.6).
func (c *conn) linger() {
	cw, ok := c.nc.(interface{ CloseWrite() error })
	if !ok || cw.CloseWrite() != nil {
		return
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(lingerTime))
	scratch := c.engine.buffers.get()
	defer c.engine.buffers.put(scratch)
	for left := lingerBytes; left > 0; {
		n, err := c.nc.Read(scratch)
		if err != nil {
			return
		}
		left -= n
	}
}

// hold implements client. Close finds the connection there that has to end at
// once, and so does the watch that finds the client gone.
func (c *conn) hold(up *upstream.Conn, st *http2.Stream) bool {
	c.upstream.Store(up)
	if c.upstreamStream.Load() != st { // seldom: a load costs less than a store
		c.upstreamStream.Store(st)
	}
	if up == nil && st == nil {
		c.unwatch()
	}
	return c.gone.Load()
}

// left implements client.
func (c *conn) left() bool { return c.gone.Load() }

// wasReset implements client: there are no streams.
func (c *conn) wasReset() bool { return false }

// ended, buffered, fill and skipBuffered implement client.
func (c *conn) ended() bool               { return c.body.ended() }
func (c *conn) buffered() ([]byte, error) { return c.body.buffered() }
func (c *conn) fill() error               { return c.body.fill() }
func (c *conn) skipBuffered()             { c.body.skipBuffered() }

// trailers implements client: those of HTTP/1.1 are dropped without
// enable_trailers.
func (c *conn) trailers() *header.List {
	if t := &c.body.chunks.Trailers; c.body.framing == http1.Chunked && c.chain.manager.trailers && len(t.Fields) > 0 {
		return t
	}
	return nil
}

// unlimit implements client.
func (c *conn) unlimit() { c.setReadTimeout(time.Now(), 0) }

// interrupt implements client.
func (c *conn) interrupt() { _ = c.nc.SetReadDeadline(pastTime) }

// resume implements client.
func (c *conn) resume() {
	_ = c.nc.SetReadDeadline(time.Time{})
	c.readAt = time.Time{}
}

// pause implements client.
func (c *conn) pause(d, idle time.Duration) pauseEnd {
	now := time.Now()
	end := now.Add(d)
	defer func() {
		c.resume()
		c.setWriteTimeout(time.Now(), c.chain.manager.streamIdleTimeout)
	}()
	for {
		at, why := end, pauseOver
		if quiet := now.Add(idle); idle > 0 && quiet.Before(end) {
			at, why = quiet, pauseIdle
		}
		_ = c.nc.SetReadDeadline(at) // fails only when closed: the read says so
		full, err := c.body.readAhead()
		switch {
		case full:
			return c.engine.pause(at, why)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return why
		case err != nil:
			return pauseLeft
		}
		now = time.Now()
	}
}

// wire implements client.
func (c *conn) wire() (received, sent int64) { return int64(c.head) + c.body.wire(), c.wireSent }

// heads implements client.
func (c *conn) heads(s *stream) http2.HeadSizes {
	received := int64(s.req.FieldBytes)
	return http2.HeadSizes{
		Received: received + trailerBytes(c.trailers(), len(":\r\n")), PlainReceived: received,
		Sent: s.headSent, PlainSent: s.headSent,
	}
}

// sendContinue implements client.
func (c *conn) sendContinue() error { return c.write(text100, nil) }

// Bounds of linger: Envoy's delayed_close_timeout, and what a client can be
// expected to have in flight.
const (
	lingerTime  = time.Second
	lingerBytes = 1 << 20
)

func (c *conn) close() {
	_ = c.nc.Close()
	c.count.close()
	if c.in != nil {
		c.engine.buffers.put(c.in)
	}
	c.lis.remove(c)
}

// received counts what a read brought, and notes who ended the connection.
func (c *conn) received(n int, err error) {
	c.count.manager.CxReceived.Add(uint64(n))
	if n == 0 && upstream.EndedByPeer(err) {
		c.count.remote.Store(true)
	}
}

// write sends a, then b, in as few system calls as it can.
func (c *conn) write(a, b []byte) error {
	c.wireSent += int64(len(a) + len(b))
	c.count.manager.CxSent.Add(uint64(len(a) + len(b)))
	if len(b) == 0 {
		_, err := c.nc.Write(a)
		return err
	}
	if c.tls == nil {
		c.vec[0], c.vec[1] = a, b
		c.bufs = c.vec[:]
		_, err := c.bufs.WriteTo(c.nc)
		return err
	}
	if _, err := c.nc.Write(a); err != nil {
		return err
	}
	_, err := c.nc.Write(b)
	return err
}
