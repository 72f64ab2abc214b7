package http2

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"time"

	"github.com/crossgate/crossgate/internal/header"
)

// flush writes what is in out, with s.mu held, unless somebody is at it. In the
// background it does not block the caller; otherwise the caller is the writer and
// first lets the streams that are ready add theirs, so that one write carries the
// answers of all. While Run has requests answered, what is ready waits for the last.
func (s *Session) flush(background bool) {
	if s.writing || s.handling || s.broken || len(s.out) == 0 {
		return
	}
	s.writing = true
	if background {
		go s.write()
		return
	}
	alone := len(s.streams) == 0
	s.mu.Unlock()
	if !alone {
		runtime.Gosched()
	}
	s.write()
	s.mu.Lock()
}

// write writes until nothing is left.
func (s *Session) write() {
	s.mu.Lock()
	for len(s.out) > 0 && s.err == nil && !s.broken {
		buf := s.out
		s.out, s.spare = s.spare[:0], nil
		s.control = 0
		s.limitWrite(time.Now())
		s.wakeWriters()
		s.mu.Unlock()
		_, err := s.nc.Write(buf)
		if err != nil && !s.leaveToRun(err) {
			s.fail(ErrClosed)
		}
		s.mu.Lock()
		if cap(buf) <= 2*maxPendingOut {
			s.spare = buf
		}
	}
	s.writing = false
	if len(s.streams) == 0 && s.err == nil {
		s.setIdleDeadline()
	}
	s.written.Broadcast()
	s.mu.Unlock()
}

// limitWrite bounds the next write, with s.mu held. The limit is a little later than
// it has to be, so that it need not be renewed for every write.
func (s *Session) limitWrite(now time.Time) {
	slack := (s.writeLimit - goodbyeTime) / 32 // a goodbye is exact
	if left := s.writeEnd.Sub(now); left < s.writeLimit || left > s.writeLimit+slack {
		s.writeEnd = now.Add(s.writeLimit + slack)
		_ = s.nc.SetWriteDeadline(s.writeEnd) // fails only when closed: the write says so
	}
}

// wakeWriters tells the streams that wait for room to look again; s.mu is held.
func (s *Session) wakeWriters() {
	if s.waiting == 0 {
		return
	}
	for _, st := range s.streams {
		wake(st.writable)
	}
}

// leaveToRun reports whether the end of a connection that cannot be written to is
// better told by Run: a server that does not speak HTTP/2 has answered in its own way
// and gone, and what it said is still to be read.
func (s *Session) leaveToRun(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.handle != nil || s.greeted || s.err != nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	s.broken, s.out = true, s.out[:0]
	time.AfterFunc(goodbyeTime, s.Close)
	return true
}

// beginBlock begins a header block in out, behind the room for a frame's head; HPACK's
// state needs heads in the order in which they are sent.
func (s *Session) beginBlock() (at int) {
	at = len(s.out)
	s.out = s.enc.begin(append(s.out, make([]byte, frameHeaderLen)...))
	return at
}

// endBlock adds the fields to the block that began at, and makes frames of it. plain
// is the size of what it has already.
func (s *Session) endBlock(st *Stream, at int, h *header.List, plain int, end bool) {
	if h != nil {
		for i := range h.Fields {
			f := &h.Fields[i]
			s.out = s.enc.next(s.out, i, f.Name, f.Value)
			plain += len(f.Name) + len(f.Value)
		}
	}
	if block := s.out[at+frameHeaderLen:]; len(block) <= s.peer.maxFrame {
		var flags uint8 = flagEndHeaders
		if end {
			flags |= flagEndStream
		}
		appendFrameHeader(s.out[:at], frameHeaders, flags, st.id, len(block))
	} else {
		s.out = appendHeaders(s.out[:at], st.id, bytes.Clone(block), end, s.peer.maxFrame)
	}
	n := int64(len(s.out) - at)
	st.wireOut += n
	st.sizes.Sent += n
	st.sizes.PlainSent += int64(plain)
}

// The pseudo fields of a request.
var (
	pMethod    = []byte(":method")
	pScheme    = []byte(":scheme")
	pAuthority = []byte(":authority")
	pPath      = []byte(":path")
)

// statusSize is the size of the pseudo field of an answer.
const statusSize = len(":status200")

// Open sends a request's head on a new stream; end says that nothing follows. It
// fails with ErrGoAway, ErrStreamLimit or ErrClosed if the connection takes none, and
// with the ConnectionError of one that never took any.
func (s *Session) Open(h *Head, end bool) (*Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		if s.next > 1 && (err == s.err || err == s.fault) {
			err = ErrClosed // those that were there have been told why
		}
		return nil, err
	}
	st := newStream(s, s.next, time.Time{})
	s.next += 2
	if n := s.opts.MaxRequests; n > 0 && s.next/2 >= n {
		s.leaving = true
	}
	st.method, st.sentHead = string(h.Method), true
	s.streams[st.id], st.open = st, true
	if len(s.streams) == 1 {
		s.setIdleDeadline()
	}
	at, plain := s.beginBlock(), 0
	for _, p := range [...]struct{ name, value []byte }{
		{pMethod, h.Method}, {pScheme, h.Scheme}, {pAuthority, h.Authority}, {pPath, h.Path},
	} {
		s.out = s.enc.field(s.out, p.name, p.value)
		plain += len(p.name) + len(p.value)
	}
	s.endBlock(st, at, &h.Headers, plain, end)
	st.sentEnd = end
	s.flush(false)
	var reset *ResetError
	if st.headCame || errors.As(st.err, &reset) {
		return st, nil // the other side has it: ReadHead tells the rest
	}
	return st, st.err
}

// ReadHead waits for the answer's head, which Head returns then.
func (st *Stream) ReadHead() error {
	for {
		st.s.mu.Lock()
		came, err, by := st.headCame, st.err, st.readBy
		st.s.mu.Unlock()
		if came || err != nil {
			if came {
				err = nil
			}
			return err
		}
		if err := await(st.readable, by); err != nil {
			return err
		}
	}
}

// WriteHead sends an answer's head; end says that nothing follows. Heads with a
// status below 200 may come before.
func (st *Stream) WriteHead(status int, h *header.List, end bool) error {
	s := st.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if st.err != nil {
		return st.err
	}
	at := s.beginBlock()
	s.out = s.enc.status(s.out, status)
	s.endBlock(st, at, h, statusSize, end)
	st.sentHead = st.sentHead || status >= 200
	if end {
		st.sentEnd = true
		s.finished(st)
		s.flush(false)
	}
	// A head that a body follows leaves with its first piece, or with Flush.
	return nil
}

// Flush sends what was written.
func (st *Stream) Flush() error {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	st.s.flush(false)
	return st.err
}

// Write sends a piece of the body, and its end. It waits while the other side has
// no room.
func (st *Stream) Write(p []byte, end bool) error {
	s := st.s
	s.mu.Lock()
	defer s.mu.Unlock()
	var patience time.Time // until when it waits for room
	for {
		if st.err != nil {
			return st.err
		}
		n := 0
		if st.reserved > 0 && st.reserved == len(p) {
			st.unreserve()
			n = len(p)
		} else if len(s.out) < maxPendingOut {
			n = int(max(0, min(int64(len(p)), st.sendWindow, s.sendWindow)))
			n = min(n, s.peer.maxFrame, maxPendingOut)
		}
		if n > 0 || len(p) == 0 {
			last := n == len(p)
			if n > 0 || end {
				s.appendData(st, p[:n], last && end)
			}
			if p = p[n:]; !last {
				continue
			}
			if end {
				st.sentEnd = true
				s.finished(st)
			}
			s.flush(false)
			return st.err
		}
		s.flush(false)
		if len(s.out) < maxPendingOut && min(st.sendWindow, s.sendWindow) > 0 {
			continue
		}
		if patience.IsZero() && st.writeIdle > 0 {
			patience = time.Now().Add(st.writeIdle)
		}
		by := earlier(st.writeBy, patience)
		s.waiting++
		s.mu.Unlock()
		err := await(st.writable, by)
		s.mu.Lock()
		s.waiting--
		if err != nil {
			return err
		}
	}
}

// earlier is the earlier one of two limits, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func (s *Session) appendData(st *Stream, p []byte, end bool) {
	var flags uint8
	if end {
		flags = flagEndStream
	}
	s.out = appendFrameHeader(s.out, frameData, flags, st.id, len(p))
	s.out = append(s.out, p...)
	st.wireOut += int64(frameHeaderLen + len(p))
	st.sendWindow -= int64(len(p))
	s.sendWindow -= int64(len(p))
}

// WriteTrailers sends the fields after a body, which they end.
func (st *Stream) WriteTrailers(h *header.List) error {
	s := st.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if st.err != nil {
		return st.err
	}
	s.endBlock(st, s.beginBlock(), h, 0, true)
	st.sentEnd = true
	s.finished(st)
	s.flush(false)
	return st.err
}
