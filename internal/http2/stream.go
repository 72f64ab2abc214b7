package http2

import (
	"io"
	"os"
	"time"

	"github.com/crossgate/crossgate/internal/header"
)

// Stream is one request and its answer. Its methods are for the goroutine that
// serves it; Next, and on the side that asks Write, may be called from a second
// one that moves the body. None may be called after Close: on the side that answers
// the stream is another one then.
type Stream struct {
	streamState

	readable, writable chan struct{}

	incoming Head // Run's, until it is there
	trailing *Head
}

// streamState is the part of a stream that begins as zero.
type streamState struct {
	s     *Session
	id    uint32
	began time.Time // when its head was read

	// What follows is guarded by s.mu.
	open           bool  // among s.streams
	refused        bool  // one too many
	wireIn         int64 // bytes of its frames
	wireOut        int64
	sizes          HeadSizes
	head, trailers *Head
	headCame       bool
	headOnly       bool   // the head has ended the message
	method         string // of a client's request
	recv, lent     []byte
	recvEnd        bool
	recvWindow     int64
	credit         uint32
	expect, got    int64 // content-length, and what has come
	sendWindow     int64
	reserved       int // of both send windows, for one Write
	sentHead       bool
	sentEnd        bool
	done           bool  // Close was called: what comes is dropped
	err            error // reset, or the connection's end
	onAbort        func()
	readBy         time.Time
	writeBy        time.Time
	writeIdle      time.Duration
}

// newStream is called with s.mu held.
func newStream(s *Session, id uint32, began time.Time) *Stream {
	st := s.opts.Pool.stream()
	st.s, st.id, st.began = s, id, began
	st.recvWindow, st.sendWindow, st.expect = int64(s.opts.StreamWindow), s.peer.window, -1
	return st
}

// ID is the stream's number on its connection.
func (st *Stream) ID() uint32 { return st.id }

// Began is when the head was read that a request began with.
func (st *Stream) Began() time.Time { return st.began }

// Head is the request's head on the answering side, and on the asking side the
// answer's once ReadHead has returned nil.
func (st *Stream) Head() *Head { return st.head }

// Wire returns how many bytes of HEADERS, CONTINUATION and DATA frames have come
// for the stream and gone for it so far, the frames' heads included.
func (st *Stream) Wire() (received, sent int64) {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	return st.wireIn, st.wireOut
}

// HeadSizes are bytes of heads and trailers that have come for a stream and gone for
// it so far: of their frames, and of the names and values in them.
type HeadSizes struct{ Received, Sent, PlainReceived, PlainSent int64 }

// Heads returns the sizes of heads and trailers so far.
func (st *Stream) Heads() HeadSizes {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	return st.sizes
}

// HeadOnly reports whether nothing follows the head.
func (st *Stream) HeadOnly() bool { return st.headOnly }

// wake tells a waiting goroutine to look again.
func wake(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// await blocks until ch is woken or the deadline has passed.
func await(ch chan struct{}, by time.Time) error {
	if by.IsZero() {
		<-ch
		return nil
	}
	left := time.Until(by)
	if left <= 0 {
		return os.ErrDeadlineExceeded
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-ch:
		return nil
	case <-t.C:
		return os.ErrDeadlineExceeded
	}
}

// OnAbort has f called once when the other side resets the stream or the
// connection ends, from another goroutine; at once if that has happened.
func (st *Stream) OnAbort(f func()) {
	st.s.mu.Lock()
	st.onAbort = f
	gone := st.err != nil
	st.s.mu.Unlock()
	if gone && f != nil {
		f()
	}
}

// Err is why the stream has ended before its time, or nil.
func (st *Stream) Err() error {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	return st.err
}

// abort ends the stream with s.mu held; the caller has to call what it returns
// without.
func (st *Stream) abort(err error) (tell func()) {
	if st.err != nil {
		return nil
	}
	st.err = err
	wake(st.readable)
	wake(st.writable)
	tell, st.onAbort = st.onAbort, nil
	return tell
}

// SetReadDeadline makes reads fail that have not ended at t
// (os.ErrDeadlineExceeded); one that is under way sees it too. The zero time
// takes the limit away. SetWriteDeadline does the same for writes.
func (st *Stream) SetReadDeadline(t time.Time) {
	st.s.mu.Lock()
	st.readBy = t
	st.s.mu.Unlock()
	wake(st.readable)
}

// SetWriteDeadline limits writes, as SetReadDeadline limits reads.
func (st *Stream) SetWriteDeadline(t time.Time) {
	st.s.mu.Lock()
	st.writeBy = t
	st.s.mu.Unlock()
	wake(st.writable)
}

// Serve is OnAbort, and makes a Write fail that has waited for so long for the other
// side to take more (os.ErrDeadlineExceeded); 0: it waits on.
func (st *Stream) Serve(abort func(), wait time.Duration) {
	st.writeIdle = wait // which nobody else knows yet
	st.OnAbort(abort)
}

// Reserve keeps room for an answer's body of n bytes, if that can be sent without
// waiting: then the one Write of it does not wait.
func (st *Stream) Reserve(n int) bool {
	s := st.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.out) >= maxPendingOut || int64(n) > min(st.sendWindow, s.sendWindow) || n > min(s.peer.maxFrame, maxPendingOut) {
		return false
	}
	st.reserved = n
	st.sendWindow -= int64(n)
	s.sendWindow -= int64(n)
	return true
}

// unreserve gives the room back, with s.mu held.
func (st *Stream) unreserve() {
	st.sendWindow += int64(st.reserved)
	st.s.sendWindow += int64(st.reserved)
	st.reserved = 0
}

// Next returns the next piece of the body, which is valid until the next call;
// io.EOF at its end. If nothing is there it waits, or returns nil with wait
// unset.
func (st *Stream) Next(wait bool) ([]byte, error) {
	s := st.s
	for {
		s.mu.Lock()
		st.credited()
		if len(st.recv) > 0 {
			st.recv, st.lent = st.lent[:0], st.recv
			s.mu.Unlock()
			return st.lent, nil
		}
		var err error
		switch {
		case st.recvEnd:
			err = io.EOF
		case st.err != nil:
			err = st.err
		}
		by := st.readBy
		s.mu.Unlock()
		if err != nil || !wait {
			return nil, err
		}
		if err := await(st.readable, by); err != nil {
			return nil, err
		}
	}
}

// credited gives back the room of what was lent; s.mu is held.
func (st *Stream) credited() {
	n := uint32(len(st.lent))
	st.lent = st.lent[:0]
	if n == 0 {
		return
	}
	st.s.giveBack(n)
	if !st.recvEnd {
		st.giveBack(n)
	}
}

// giveBack tells the other side in time that there is room again.
func (st *Stream) giveBack(n uint32) {
	if st.credit += n; st.credit < st.s.opts.StreamWindow/2 {
		return
	}
	st.recvWindow += int64(st.credit)
	st.s.out = appendWindowUpdate(st.s.out, st.id, st.credit)
	st.credit = 0
	st.s.flush(true)
}

func (s *Session) giveBack(n uint32) {
	if s.credit += n; s.credit < s.opts.ConnectionWindow/2 {
		return
	}
	s.received += int64(s.credit)
	s.out = appendWindowUpdate(s.out, 0, s.credit)
	s.credit = 0
	s.flush(true)
}

// Ended reports whether the whole body has come and was taken.
func (st *Stream) Ended() bool {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	return st.recvEnd && len(st.recv) == 0
}

// Trailers are the fields after the body; nil if there are none, or not yet.
func (st *Stream) Trailers() *header.List {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	if st.trailers == nil {
		return nil
	}
	return &st.trailers.Headers
}

// Close ends the use of the stream. One that has not ended in both directions is
// reset: with NO_ERROR where only the rest of a request is not wanted (RFC 9113
// section 8.1), else with CANCEL; Close reports that. quiet says that the function of
// OnAbort was not called and will not be.
func (st *Stream) Close() (reset, quiet bool) {
	s := st.s
	s.mu.Lock()
	defer s.mu.Unlock()
	st.done, st.onAbort = true, nil
	if st.reserved > 0 {
		st.unreserve()
		s.wakeWriters()
	}
	quiet = st.err == nil
	s.giveBack(uint32(len(st.recv) + len(st.lent)))
	st.recv, st.lent = st.recv[:0], st.lent[:0]
	if st.recvEnd && st.sentEnd {
		s.remove(st)
		// Only a client's stream may be known to others still.
		if quiet && s.handle != nil {
			s.opts.Pool.recycle(st)
		}
		return false, quiet
	}
	if !st.open {
		return false, quiet
	}
	code := Cancel
	if st.sentEnd && s.handle != nil {
		code = NoError
	}
	s.out = appendReset(s.out, st.id, code)
	s.remove(st)
	s.flush(true)
	return true, quiet
}

// Reset ends the stream with a code.
func (st *Stream) Reset(code ErrorCode) {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	if st.open {
		_ = st.s.resetStream(st, code) // a connection that is flooded ends by itself
	}
}

// resetStream is Reset with s.mu held. Whoever waits for the stream is told.
func (s *Session) resetStream(st *Stream, code ErrorCode) error {
	if tell := st.abort(&ResetError{Code: code}); tell != nil {
		go tell()
	}
	s.remove(st)
	return s.acknowledge(appendReset(s.out, st.id, code))
}

// finished takes a stream away that has ended in both directions.
func (s *Session) finished(st *Stream) {
	if st.recvEnd && st.sentEnd {
		s.remove(st)
	}
}

func (s *Session) remove(st *Stream) {
	if !st.open {
		return
	}
	st.open = false
	delete(s.streams, st.id)
	s.ended++
	if st.sentEnd {
		s.ended++ // Envoy counts the request and its answer
	}
	if len(s.streams) == 0 {
		s.idleSince = time.Now()
		s.setIdleDeadline()
	}
}

// noBody reports whether an answer with the status has no body by its nature.
func (st *Stream) noBody(status int) bool {
	return st.method == "HEAD" || status == 204 || status == 304
}
