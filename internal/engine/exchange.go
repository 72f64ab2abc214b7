package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/crossgate/crossgate/internal/header"
	"github.com/crossgate/crossgate/internal/http1"
	"github.com/crossgate/crossgate/internal/http2"
	"github.com/crossgate/crossgate/internal/upstream"
)

// exchange is the upstream half of a stream: the connection at hand, the window
// of its answer, and the request's body on its way there.
type exchange struct {
	s     *stream
	conn  *upstream.Conn
	tried []*upstream.Host
	local net.Addr  // of the connection that was at hand last
	began time.Time // when the request was first on its way

	head  []byte // the request's head, then what of the body is sent with it
	buf   []byte // the answer: head, then a window of its body
	r, w  int
	moved bool // the head's fields are no longer in buf
	chunk http1.ChunkDecoder

	// Of a service that speaks HTTP/2: the stream in place of conn, and what
	// was read of the body and is not in the window yet.
	h2     *http2.Stream
	h2host *upstream.Host
	h2run  []byte

	replay     []byte // what of the body has been sent, for another attempt or a redirect
	replayable bool
	retrying   *upstream.Cluster // whose retry this attempt is; nil: it is none
	turns      turns
	unread     bool // the connection was reset before anything of the answer came

	gone         bool // the client went away
	connectError error
	clientError  error
	pump         pump
	// uploaded is when the last of the request was about to be sent, in nanoseconds after
	// began, plus one; 0 until then.
	uploaded atomic.Int64
	// limited is the failure that the limit in force stands for; the pump sets
	// one too.
	limited atomic.Uint32

	attempted
	wait      time.Duration // for the connection at hand
	bodyFirst time.Time     // when a body came after its head
}

// maxReplay bounds the body that is kept for retries: Envoy's
// per_connection_buffer_limit_bytes.
const maxReplay = 1 << 20

// firstWrite bounds how much of a body goes into one write with the head.
const firstWrite = 32 << 10

func (x *exchange) reset() {
	x.s, x.conn, x.local = nil, nil, nil
	x.tried, x.head, x.replay = x.tried[:0], x.head[:0], x.replay[:0]
	x.r, x.w = 0, 0
	x.connectError, x.clientError, x.gone = nil, nil, false
	x.uploaded.Store(0)
	x.attempted = attempted{}
	x.wait, x.bodyFirst = 0, time.Time{}
}

func (x *exchange) begin(s *stream) {
	x.s = s
	if x.began = s.lately; x.began.IsZero() {
		x.began = time.Now()
	}
	x.replayable = true
	x.buf = s.peer.engine.buffers.get()
}

// end gives back what begin took. The connection is closed unless the answer has
// ended well, in which case release has already taken it.
func (x *exchange) end() {
	x.drop()
	x.endRetry()
	x.s.peer.engine.buffers.put(x.buf)
	x.buf = nil
	if cap(x.replay) > maxReplay/4 && !x.s.rerun {
		x.replay = nil
	}
}

// restart makes the exchange ready for the request that a redirect has led to, with
// the body of the one before.
func (x *exchange) restart() {
	body := x.replay
	x.reset()
	x.replay = body
}

// beginRetry counts the next attempt among the retries of the cluster, as long as it
// may have another one; endRetry ends that, when the attempt has ended.
func (x *exchange) beginRetry() bool {
	c := x.s.target.cluster
	if !c.BeginRetry() {
		return false
	}
	x.retrying = c
	return true
}

func (x *exchange) endRetry() {
	if c := x.retrying; c != nil {
		x.retrying = nil
		c.EndRetry()
	}
}

// drop closes the upstream connection, if there is one.
func (x *exchange) drop() {
	x.stopPump()
	if x.h2 != nil {
		x.dropHTTP2()
	}
	if c := x.conn; c != nil {
		x.wireReceived, x.wireSent = x.wire()
		x.hold(nil)
		c.Discard()
	}
}

// wire is how many bytes have come from the service and gone to it, heads and framing
// included, in all attempts.
func (x *exchange) wire() (received, sent int64) {
	switch {
	case x.h2 != nil:
		received, sent = x.h2.Wire()
	case x.conn != nil:
		received, sent = x.conn.Wire()
	}
	return x.wireReceived + received, x.wireSent + sent
}

// hold notes the connection at hand, also where the engine finds it that has to
// end at once.
func (x *exchange) hold(c *upstream.Conn) {
	x.conn = c
	if c != nil {
		x.local = c.LocalAddr()
	}
	x.gone = x.s.client.hold(c, x.h2)
}

// deadline is when waiting must end, and notes the failure that this will be. A try
// ends with the head of its answer: from then on its own limit does not count.
func (x *exchange) deadline(now time.Time, try bool) (time.Time, time.Duration) {
	s := x.s
	var at time.Time
	var length time.Duration
	why := noFailure
	consider := func(t time.Time, d time.Duration, f failure) {
		if why == noFailure || t.Before(at) {
			at, length, why = t, d, f
		}
	}
	if end, sent := x.requestEnd(); sent {
		if d := s.route.timeout; d > 0 {
			consider(end.Add(d), d, failTimeout)
		}
		if p := s.route.retry; try && p != nil && p.perTry > 0 {
			consider(now.Add(p.perTry), p.perTry, failPerTry)
		}
	}
	if d := x.idle(); d > 0 {
		consider(now.Add(d), d, failIdle)
	}
	if d := s.manager.requestTimeout; d > 0 && try && why != failTimeout && !x.wholeRequest() {
		consider(s.start.Add(d), d, failRequest)
	}
	x.limited.Store(uint32(why))
	return at, length
}

// wholeRequest reports whether the request has been sent whole.
func (x *exchange) wholeRequest() bool { return x.uploaded.Load() > 0 }

// limitedToHead reports whether the limit in force is one that ends with the head.
func (x *exchange) limitedToHead() bool {
	why := failure(x.limited.Load())
	return why == failPerTry || why == failRequest
}

func (x *exchange) idle() time.Duration {
	if d := x.s.route.idleTimeout; d >= 0 {
		return d
	}
	return x.s.manager.streamIdleTimeout
}

// requestEnd is when the whole request had been sent, and whether it has been:
// from then on the service is timed.
func (x *exchange) requestEnd() (time.Time, bool) {
	n := x.uploaded.Load()
	return x.began.Add(time.Duration(n - 1)), n > 0
}

// timeLeft is what is left of the route's timeout, and whether it runs.
func (x *exchange) timeLeft() (time.Duration, bool) {
	end, sent := x.requestEnd()
	if x.s.route.timeout == 0 || !sent {
		return 0, false
	}
	return x.s.route.timeout - time.Since(end), true
}

func (x *exchange) expired() bool {
	left, limited := x.timeLeft()
	return limited && left <= 0
}

// connect takes a connection from the host's pool. An idle one is had without
// any context.
func (x *exchange) connect(h *upstream.Host, timeout time.Duration) (*upstream.Conn, bool, error) {
	name := x.serviceName()
	now := x.began
	if x.s.attempts > 1 {
		now = time.Now()
	}
	if c := h.Idle(name, now); c != nil {
		x.wait = 0
		return c, true, nil
	}
	ctx, done := x.waitContext()
	defer done()
	defer x.waited(time.Now())
	return h.Acquire(ctx, timeout, name)
}

// serviceName is what the request calls the service, where connections depend on
// it: its host, as the service will see it, without a port.
func (x *exchange) serviceName() []byte {
	if !x.s.target.cluster.ByName {
		return nil
	}
	return hostOnly(x.s.authority)
}

// waitContext is context for the wait for a connection: it ends with the client's
// leave, too. done ends the wait.
func (x *exchange) waitContext() (ctx context.Context, done func()) {
	ctx, cancel := x.context()
	ctx, leave := context.WithCancel(ctx)
	if x.s.client.pending(leave) {
		leave()
	}
	return ctx, func() {
		x.s.client.pending(nil)
		leave()
		cancel()
	}
}

// context ends with the engine, and with the route's timeout if that runs.
func (x *exchange) context() (context.Context, context.CancelFunc) {
	ctx := x.s.peer.engine.ctx
	if left, limited := x.timeLeft(); limited {
		return context.WithTimeout(ctx, max(left, 0))
	}
	return ctx, func() {}
}

// send writes the request's head and as much of its body as is here; the pump
// carries the rest. sent tells whether the service can have seen anything.
func (x *exchange) send() (f failure, sent bool) {
	s := x.s
	body := s.client
	framing := s.req.Framing
	x.head = s.appendRequestHead(x.head[:0])
	x.sentHead(x.head)
	if s.target.cluster.ProperCase {
		http1.ProperCase(x.head)
	}
	if len(x.replay) > 0 {
		x.head = appendBody(x.head, x.replay, framing)
	}
	for len(x.head) < firstWrite && !body.ended() {
		data, err := body.buffered()
		if err != nil {
			x.clientError = err
			return failClient, false
		}
		if data == nil {
			break
		}
		x.remember(data)
		x.head = appendBody(x.head, data, framing)
	}
	if body.ended() && framing == http1.Chunked {
		x.head = http1.AppendLastChunk(x.head, x.requestTrailers())
	}
	if body.ended() {
		x.uploaded.CompareAndSwap(0, 1)
		body.awaits()
	}
	x.limit(s.up.began)
	if s.peer.engine.ctx.Err() != nil {
		return failClosed, false
	}
	if n, err := x.conn.Write(x.head); err != nil {
		return x.writeFailure(err), n > 0
	}
	if !body.ended() {
		x.startPump()
	}
	return noFailure, true
}

// limit bounds the wait for the service from now on.
func (x *exchange) limit(now time.Time) {
	if x.s.attempts > 1 {
		now = time.Now()
	}
	at, length := x.deadline(now, true)
	if x.h2 != nil {
		x.h2.SetReadDeadline(at)
	} else {
		x.conn.SetTimeout(at, deadlineSlack(length))
	}
	x.afterLimit(x.link())
}

// afterLimit follows every new limit: one that came after the interruption by a
// client that has gone has taken it back.
func (x *exchange) afterLimit(to uplink) {
	if x.s.client.left() {
		to.Interrupt()
	}
}

// requestTrailers are what goes to the service after the request's body; nil if
// there is nothing, or if the cluster lets nothing pass.
func (x *exchange) requestTrailers() *header.List {
	if x.h2 == nil && !x.s.target.cluster.Trailers {
		return nil
	}
	return x.s.client.trailers()
}

// trailers are what came after the answer's body, or nil.
func (x *exchange) trailers() *header.List {
	switch {
	case x.h2 != nil:
		return x.h2.Trailers()
	case x.s.resp.Framing == http1.Chunked && len(x.chunk.Trailers.Fields) > 0:
		return &x.chunk.Trailers
	}
	return nil
}

func (x *exchange) writeFailure(err error) failure {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return x.late()
	}
	return failClosed
}

// late is the failure that a limit which has passed stands for.
func (x *exchange) late() failure {
	if x.expired() {
		return failTimeout
	}
	return failure(x.limited.Load())
}

// remember keeps a part of the body for another attempt, as long as it is small
// and an attempt could follow.
func (x *exchange) remember(data []byte) {
	x.s.received += int64(len(data))
	if x.s.route.retry == nil && x.s.route.internal == nil || !x.replayable {
		x.replayable = false
		return
	}
	if len(x.replay)+len(data) > maxReplay {
		x.s.target.cluster.Stats.RetryAbandoned.Inc()
		x.replayable = false
		return
	}
	x.replay = append(x.replay, data...)
}

// appendBody frames a part of a body for the service.
func appendBody(dst, data []byte, f http1.Framing) []byte {
	if f != http1.Chunked {
		return append(dst, data...)
	}
	dst = http1.AppendChunkHead(dst, len(data))
	dst = append(dst, data...)
	return append(dst, "\r\n"...)
}

// readHead reads the head of the answer; interim answers are passed over.
func (x *exchange) readHead() failure {
	s := x.s
	x.r, x.w = 0, 0
	x.turns.yield()
	for {
		n, perr := http1.ParseResponse(x.buf[x.r:x.w], s.req.Method, &s.resp, nil)
		if perr != nil {
			return failProtocol
		}
		if n > 0 {
			x.r += n
			x.headCame()
			if s.resp.Status >= 200 || s.resp.Status == 101 {
				x.moved = false
				s.upstreamFirst = time.Now()
				x.chunk.KeepTrailers = s.target.cluster.Trailers
				x.chunk.Reset()
				return noFailure
			}
			if s.resp.Status == 100 && s.manager.proxy100 && s.req.Expect100 {
				if err := s.client.sendContinue(); err != nil {
					x.clientError = err
					return failClient
				}
			}
			s.resp.Reset()
			continue
		}
		if f := x.readMore(); f != noFailure {
			return f
		}
	}
}

// readMore reads more of an incomplete head.
func (x *exchange) readMore() failure {
	if x.w == len(x.buf) {
		if x.r > 0 {
			x.w = copy(x.buf, x.buf[x.r:x.w])
			x.r = 0
		} else {
			x.buf = append(make([]byte, 0, 2*len(x.buf)), x.buf...)
			x.buf = x.buf[:cap(x.buf)]
		}
	}
	n, err := x.conn.Read(x.buf[x.w:])
	x.w += n
	if n > 0 {
		return noFailure
	}
	if x.pump.failed.Load() || x.s.client.left() {
		return failClient
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return x.late()
	}
	if err == io.EOF && x.w > x.r {
		return failProtocol
	}
	x.unread = x.w == 0 && (errors.Is(err, syscall.ECONNRESET) || err == io.EOF && x.conn.WasReset())
	return failClosed
}

// release gives the connection back to its pool when the answer has ended and
// nothing stands against its reuse.
func (x *exchange) release(now time.Time) {
	if x.h2 != nil {
		if !x.joinPump() {
			x.stopPump()
		}
		x.dropHTTP2()
		return
	}
	sent := x.joinPump()
	if sent && x.s.client.ended() {
		x.conn.Finish()
	}
	if !sent || x.s.resp.Close || x.r != x.w || !x.s.client.ended() || x.s.unusualBody() {
		x.drop()
		return
	}
	c := x.conn
	x.wireReceived, x.wireSent = x.wire()
	if x.hold(nil); x.gone {
		c.Discard() // it was interrupted
		return
	}
	c.Release(now)
}

// unusualBody reports whether the request had a body where some services look for
// none, and then read the next request there: its connection is not used again.
func (s *stream) unusualBody() bool {
	if s.req.Framing == http1.NoBody {
		return false
	}
	switch string(s.req.Method) {
	case "GET", "HEAD", "OPTIONS", "DELETE", "TRACE":
		return true
	}
	return false
}

// take returns what is in the window of the answer's body, without its framing,
// and whether the body ends with it. left is what remains of a body of known
// length.
func (x *exchange) take(left *int64) (run []byte, end bool, err error) {
	window := x.buf[x.r:x.w]
	switch x.s.resp.Framing {
	case http1.Length:
		run = window[:min(int64(len(window)), *left)]
		x.r += len(run)
		*left -= int64(len(run))
		return run, *left == 0, nil
	case http1.UntilClose:
		x.r = x.w
		return window, false, nil
	}
	for x.r < x.w {
		data, n, done, perr := x.chunk.Next(x.buf[x.r:x.w])
		if perr != nil {
			return nil, false, perr
		}
		x.r += n
		if len(data) > 0 || done {
			return data, done, nil
		}
		if n == 0 {
			break
		}
	}
	return nil, false, nil
}
