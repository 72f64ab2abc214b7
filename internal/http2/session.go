package http2

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"time"
)

// Session is one connection with HTTP/2 on it, for the side that answers
// (NewServer) or the side that asks (NewClient). Run reads; streams write.
type Session struct {
	nc     net.Conn
	opts   Options
	handle func(*Stream) // of a server; nil for a client

	// What follows belongs to Run's goroutine.
	dec        decoder
	hr         headReader
	dropped    Head // of no stream
	block      headerBlock
	idleFrames int
	empty      int
	early      int       // streams that were reset early, see earlyReset
	begun      []*Stream // by what was read last; not handled yet
	now        time.Time // when that was read

	mu       sync.Mutex
	streams  map[uint32]*Stream
	ended    int    // streams that have been, those that were answered twice
	last     uint32 // the highest stream of the other side that was taken
	next     uint32 // the next stream of our own
	leaving  bool   // no more streams: GOAWAY was sent, or they were the last
	refused  bool   // GOAWAY was received
	err      error  // the connection has ended
	fault    error  // what is wrong with the other side, which is being told
	greeted  bool   // SETTINGS have come
	broken   bool   // no write succeeds any more
	cutOff   bool   // with streams under way
	received int64  // what the other side may still send on the connection
	credit   uint32 // of that, what was read and not yet told

	peer       settings
	sendWindow int64

	idleSince time.Time     // when the last stream ended
	heard     time.Time     // when something came last
	acked     chan struct{} // a PING was answered

	out, spare []byte
	writeLimit time.Duration
	writeEnd   time.Time // the limit in force of writes
	readEnd    time.Time // and of reads; zero: none
	waiting    int       // streams that wait for room
	handling   bool      // Run has requests answered, and writes what is ready then
	writing    bool
	written    sync.Cond // of mu: writing has become false
	control    int       // acknowledgements and the like in out
	enc        encoder
}

// settings are the other side's (RFC 9113 section 6.5.2).
type settings struct {
	maxStreams uint32
	window     int64
	maxFrame   int
}

// headerBlock is a header block that comes in pieces.
type headerBlock struct {
	stream    *Stream // nil for one that is decoded and dropped
	id        uint32
	open      bool
	endStream bool
	frames    int
	size      int64 // of its frames
}

// NewServer returns a session that answers requests. handle is called from Run
// with every request whose head has come, and must not block; the stream is in
// use until its Close. Run has to be called.
func NewServer(nc net.Conn, o Options, handle func(*Stream)) *Session {
	return newSession(nc, o, handle)
}

// NewClient returns a session that sends requests (Open). Run has to be called.
func NewClient(nc net.Conn, o Options) *Session {
	if o.MaxConcurrentStreams == 0 {
		o.MaxConcurrentStreams = maxWindow // there are no more numbers of streams
	}
	s := newSession(nc, o, nil)
	s.next = 1
	return s
}

func newSession(nc net.Conn, o Options, handle func(*Stream)) *Session {
	s := &Session{nc: nc, opts: o.withDefaults(), handle: handle, streams: map[uint32]*Stream{}, acked: make(chan struct{}, 1)}
	s.now = time.Now()
	s.idleSince, s.writeLimit = s.now, writeTimeout
	s.peer = settings{maxStreams: 1 << 31, window: defaultWindow, maxFrame: minMaxFrame}
	s.sendWindow = defaultWindow
	s.received = int64(s.opts.ConnectionWindow)
	// A string that is longer than a whole head may be is not kept in memory.
	s.dec.init(s.opts.MaxHeaderBytes, s.hr.field)
	s.hr.opts = &s.opts
	s.enc.init()
	s.written.L = &s.mu
	s.greet()
	return s
}

// Run reads until the connection ends, and ends it; initial is what has been read
// of it already. It returns nil for an orderly end.
func (s *Session) Run(initial []byte) error {
	if s.opts.MaxAge > 0 {
		over := time.AfterFunc(s.opts.MaxAge, s.GoAway)
		defer over.Stop()
	}
	s.mu.Lock()
	s.flush(true)
	s.mu.Unlock()
	if s.opts.KeepaliveInterval > 0 {
		stop := make(chan struct{})
		defer close(stop)
		go s.keepalive(stop)
	}
	buf := make([]byte, max(frameHeaderLen+minMaxFrame, len(initial)))
	w := copy(buf, initial)
	err := s.read(buf, w)
	var fault *ConnectionError
	if errors.As(err, &fault) {
		s.mu.Lock()
		s.fault = fault
		s.mu.Unlock()
		s.sayGoodbye(fault.Code, fault.Reason)
		s.fail(fault)
	}
	s.fail(ErrClosed)
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, errIdle) {
		return nil
	}
	return err
}

// greet is the first to be sent, whoever sends first (section 3.4).
func (s *Session) greet() {
	if s.handle == nil {
		s.out = append(s.out, Preface...)
	}
	list := [][2]uint32{
		{settingInitialWindow, s.opts.StreamWindow},
		{settingMaxHeaderList, uint32(s.opts.MaxHeaderBytes)},
	}
	if s.handle != nil {
		list = append(list, [2]uint32{settingMaxStreams, s.opts.MaxConcurrentStreams})
	} else {
		list = append(list, [2]uint32{settingEnablePush, 0})
	}
	s.out = appendFrameHeader(s.out, frameSettings, 0, 0, 6*len(list))
	for _, p := range list {
		s.out = binary.BigEndian.AppendUint16(s.out, uint16(p[0]))
		s.out = binary.BigEndian.AppendUint32(s.out, p[1])
	}
	if more := int64(s.opts.ConnectionWindow) - defaultWindow; more > 0 {
		s.out = appendWindowUpdate(s.out, 0, uint32(more))
	}
}

// errIdle ends a connection on which nothing is going on any more.
var errIdle = errors.New("http2: idle")

func (s *Session) read(buf []byte, w int) error {
	greeted := s.handle == nil
	for {
		if !greeted && w > 0 {
			n := min(w, len(Preface))
			if string(buf[:n]) != Preface[:n] {
				return connError(ProtocolError, "no preface")
			}
			if greeted = n == len(Preface); greeted {
				w = copy(buf, buf[n:w])
			}
		}
		if greeted {
			r, err := s.frames(buf[:w])
			s.handleBegun()
			if err != nil {
				return err
			}
			w = copy(buf, buf[r:w])
		}
		if err := s.limitWait(); err != nil {
			return err
		}
		// Who is ready goes first: by the time it is our turn more has often come, and
		// neither a read that finds nothing nor a wait is needed.
		runtime.Gosched()
		n, err := s.nc.Read(buf[w:])
		s.now = time.Now()
		w += n
		if err == nil || n > 0 {
			continue
		}
		var ne net.Error
		if errors.As(err, &ne) && ne.Timeout() {
			if s.idle() {
				s.sayGoodbye(NoError, "")
				return errIdle
			}
			continue
		}
		return err
	}
}

// frames takes the whole frames at the beginning of buf and returns their length.
func (s *Session) frames(buf []byte) (r int, err error) {
	var f frame
	for r < len(buf) {
		n, err := parseFrame(buf[r:], minMaxFrame, &f)
		if err != nil || n == 0 {
			return r, err
		}
		r += n
		if err := s.frame(&f); err != nil {
			return r, err
		}
	}
	return r, nil
}

// handleBegun has the new requests answered, once all that came with them is known:
// a body that is longer than it may be is never answered before that is seen.
func (s *Session) handleBegun() {
	if len(s.begun) == 0 {
		return
	}
	s.mu.Lock()
	s.handling = true
	s.mu.Unlock()
	for _, st := range s.begun {
		s.handle(st)
	}
	clear(s.begun)
	s.begun = s.begun[:0]
	s.mu.Lock()
	s.handling = false
	s.flush(false)
	s.mu.Unlock()
}

// limitWait bounds the wait for the next bytes while there is no stream.
func (s *Session) limitWait() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving && s.quiet() {
		return errIdle
	}
	s.setIdleDeadline()
	s.heard = s.now
	return nil
}

// quiet reports whether nothing is under way; s.mu is held. What is to be written is
// written first; the writer comes by at setIdleDeadline.
func (s *Session) quiet() bool { return len(s.streams) == 0 && !s.writing && len(s.out) == 0 }

// setIdleDeadline is called with s.mu held whenever streams begin or end. A limit that
// is in force and too early stays: idle gives it up when it has come.
func (s *Session) setIdleDeadline() {
	var at time.Time
	switch {
	case !s.quiet():
		return
	case s.leaving || s.refused:
		at = time.Now()
	case s.opts.IdleTimeout > 0:
		at = s.idleSince.Add(s.opts.IdleTimeout) // a PING is no use of the connection
	default:
		return
	}
	if s.readEnd.IsZero() || at.Before(s.readEnd) {
		s.readEnd = at
		_ = s.nc.SetReadDeadline(at) // fails only when closed: the read says so
	}
}

// idle reports whether the limit of reads that has passed is the end of an idle
// connection, and takes it away if it is not.
func (s *Session) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.quiet() && (s.leaving || s.refused || s.opts.IdleTimeout > 0 && time.Since(s.idleSince) >= s.opts.IdleTimeout) {
		return true
	}
	s.readEnd = time.Time{}
	_ = s.nc.SetReadDeadline(s.readEnd)
	return false
}

// sayGoodbye sends GOAWAY as the last thing, as far as the other side reads.
func (s *Session) sayGoodbye(code ErrorCode, reason string) {
	s.mu.Lock()
	s.leaving = true
	s.out = appendGoAway(s.out, s.last, code, reason)
	s.writeLimit = goodbyeTime
	s.limitWrite(time.Now()) // a write that is under way, too
	s.flush(false)
	for s.writing {
		s.written.Wait()
	}
	s.mu.Unlock()
}

// goodbyeTime bounds the wait for a client that is told why it is left.
const goodbyeTime = time.Second

// GoAway tells the other side to open no more streams; the connection ends with
// the last one that is under way.
func (s *Session) GoAway() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving || s.err != nil {
		return
	}
	s.leaving = true
	s.out = appendGoAway(s.out, s.last, NoError, "")
	s.flush(true)
	if len(s.streams) == 0 {
		s.setIdleDeadline()
	}
}

// Close ends the connection at once, with all that is under way on it.
func (s *Session) Close() { s.fail(ErrClosed) }

// fail ends the connection and all its streams.
func (s *Session) fail(err error) {
	s.mu.Lock()
	if s.err == nil {
		if s.fault != nil {
			err = s.fault // also when nobody is there any more to be told
		}
		s.err, s.cutOff = err, len(s.streams) > 0
	}
	var told []func()
	for _, st := range s.streams {
		told = append(told, st.abort(s.err))
	}
	s.mu.Unlock()
	_ = s.nc.Close()
	for _, f := range told {
		if f != nil {
			f()
		}
	}
}

// CutOff reports, once Run has returned, whether the connection ended with streams
// under way.
func (s *Session) CutOff() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cutOff
}

// Conn is the connection that the session is on.
func (s *Session) Conn() net.Conn { return s.nc }

// Usable reports whether another stream can be opened now.
func (s *Session) Usable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.usable() == nil
}

func (s *Session) usable() error {
	switch {
	case s.err != nil:
		return s.err
	case s.fault != nil:
		return s.fault
	case s.refused || s.leaving || s.next > maxWindow:
		return ErrGoAway
	case uint32(len(s.streams)) >= min(s.peer.maxStreams, s.opts.MaxConcurrentStreams):
		return ErrStreamLimit
	}
	return nil
}
