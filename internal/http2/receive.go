package http2

import (
	"encoding/binary"
	"errors"
	"time"
)

// frame takes one frame of the other side.
func (s *Session) frame(f *frame) error {
	if s.block.open && (f.kind != frameContinuation || f.stream != s.block.id) {
		return connError(ProtocolError, "a header block is interrupted")
	}
	switch f.kind {
	case frameData:
		return s.dataFrame(f)
	case frameHeaders:
		return s.headersFrame(f)
	case frameContinuation:
		return s.continuationFrame(f)
	}
	if s.idleFrames++; s.idleFrames > maxIdleFrames {
		return connError(EnhanceYourCalm, "too many frames without content")
	}
	switch f.kind {
	case frameReset:
		return s.resetFrame(f)
	case frameSettings:
		return s.settingsFrame(f)
	case framePing:
		return s.pingFrame(f)
	case frameGoAway:
		return s.goAwayFrame(f)
	case frameWindowUpdate:
		return s.windowFrame(f)
	case framePushPromise:
		return connError(ProtocolError, "a push that was switched off")
	case framePriority:
		if f.stream == 0 {
			return connError(ProtocolError, "PRIORITY without a stream")
		}
		if len(f.payload) != 5 {
			return connError(FrameSizeError, "PRIORITY of a wrong length")
		}
	}
	return nil // what is not known is passed over (section 4.1)
}

func (s *Session) dataFrame(f *frame) error {
	if f.stream == 0 {
		return connError(ProtocolError, "DATA without a stream")
	}
	size := len(f.payload)
	if err := f.unpad(); err != nil {
		return err
	}
	if size == 0 && !f.has(flagEndStream) {
		if s.empty++; s.empty > maxEmptyFrames {
			return connError(EnhanceYourCalm, "too many frames without content")
		}
	} else {
		s.empty, s.idleFrames = 0, 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.received -= int64(size); s.received < 0 {
		return connError(FlowControlError, "more than the connection's window")
	}
	st := s.streams[f.stream]
	if st == nil {
		if s.unopened(f.stream) {
			return connError(ProtocolError, "DATA on a stream that is not open")
		}
		s.giveBack(uint32(size))
		return nil
	}
	st.wireIn += int64(frameHeaderLen + size)
	if st.recvEnd {
		s.giveBack(uint32(size))
		return s.resetStream(st, StreamClosed)
	}
	if !st.headCame {
		s.giveBack(uint32(size))
		return s.malformed(st) // an answer begins with its head (RFC 9113 section 8.1)
	}
	if st.recvWindow -= int64(size); st.recvWindow < 0 {
		return s.resetStream(st, FlowControlError)
	}
	if pad := size - len(f.payload); pad > 0 {
		s.giveBack(uint32(pad))
		st.giveBack(uint32(pad))
	}
	return s.streamData(st, f.payload, f.has(flagEndStream))
}

// streamData gives a piece of a body to its stream.
func (s *Session) streamData(st *Stream, data []byte, end bool) error {
	st.got += int64(len(data))
	if l := st.expect; l >= 0 && (st.got > l || end && st.got != l) {
		s.giveBack(uint32(len(data)))
		return s.resetStream(st, ProtocolError)
	}
	if st.done {
		s.giveBack(uint32(len(data)))
	} else {
		st.recv = append(st.recv, data...)
	}
	st.recvEnd = end
	wake(st.readable)
	if end {
		s.finished(st)
	}
	return nil
}

// known returns the open stream of a number; nil: there is none.
func (s *Session) known(id uint32) *Stream {
	if s.handle != nil && id > s.last {
		return nil // a new one, as most that are asked for
	}
	return s.streams[id]
}

// unopened reports whether a stream has not begun yet.
func (s *Session) unopened(id uint32) bool {
	if s.handle != nil {
		return id%2 == 0 || id > s.last
	}
	return id%2 == 0 || id >= s.next
}

func (s *Session) headersFrame(f *frame) error {
	if f.stream == 0 {
		return connError(ProtocolError, "HEADERS without a stream")
	}
	size := len(f.payload)
	if err := f.unpad(); err != nil {
		return err
	}
	if f.has(flagPriority) {
		if len(f.payload) < 5 {
			return connError(FrameSizeError, "HEADERS without its priority")
		}
		if binary.BigEndian.Uint32(f.payload)&maxWindow == f.stream {
			return connError(ProtocolError, "a stream depends on itself")
		}
		f.payload = f.payload[5:]
	}
	s.idleFrames = 0
	st, kind, err := s.headStream(f)
	if err != nil {
		return err
	}
	s.block = headerBlock{stream: st, id: f.stream, open: true, endStream: f.has(flagEndStream), size: int64(frameHeaderLen + size)}
	s.hr.begin(kind, s.headFor(st, kind))
	return s.blockPart(f)
}

// headFor is where a head is collected.
func (s *Session) headFor(st *Stream, kind headKind) *Head {
	switch {
	case st == nil:
		return &s.dropped
	case kind == trailerHead:
		if st.trailing == nil {
			st.trailing = &Head{}
		}
		return st.trailing
	}
	return &st.incoming
}

// headStream finds the stream of a head, a new one for a request. No stream and
// no error: the head is read and dropped.
func (s *Session) headStream(f *frame) (*Stream, headKind, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.known(f.stream); st != nil {
		if st.recvEnd {
			return nil, trailerHead, connError(StreamClosed, "HEADERS on a stream that has ended")
		}
		if s.handle == nil && !st.headCame {
			return st, responseHead, nil
		}
		if !f.has(flagEndStream) {
			return nil, trailerHead, connError(ProtocolError, "trailers that do not end the stream")
		}
		return st, trailerHead, nil
	}
	if !s.unopened(f.stream) {
		// A stream that we have reset: what was on its way is dropped.
		return nil, trailerHead, nil
	}
	if s.handle == nil || f.stream%2 == 0 {
		return nil, requestHead, connError(ProtocolError, "HEADERS on a stream that is not open")
	}
	s.last = f.stream
	if s.leaving {
		return nil, requestHead, nil // beyond the GOAWAY: not processed
	}
	st := newStream(s, f.stream, s.now)
	if uint32(len(s.streams)) >= s.opts.MaxConcurrentStreams {
		st.err, st.refused = &ResetError{Code: RefusedStream}, true
		return st, requestHead, nil
	}
	s.streams[f.stream], st.open = st, true
	return st, requestHead, nil
}

func (s *Session) continuationFrame(f *frame) error {
	if !s.block.open {
		return connError(ProtocolError, "CONTINUATION without HEADERS")
	}
	if s.block.frames++; s.block.frames > maxContinuations {
		return connError(EnhanceYourCalm, "a header block in too many pieces")
	}
	s.block.size += int64(frameHeaderLen + len(f.payload))
	return s.blockPart(f)
}

func (s *Session) blockPart(f *frame) error {
	if err := s.dec.write(f.payload); err != nil {
		return connError(CompressionError, "the header block cannot be read")
	}
	if !f.has(flagEndHeaders) {
		return nil
	}
	s.block.open = false
	if err := s.dec.end(); err != nil {
		return connError(CompressionError, "the header block cannot be read")
	}
	if s.block.stream == nil {
		return nil
	}
	return s.headEnd(s.block.stream, s.hr.end())
}

// headEnd gives a head to its stream.
func (s *Session) headEnd(st *Stream, fault error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st.wireIn += s.block.size
	st.sizes.Received += s.block.size
	st.sizes.PlainReceived += int64(s.hr.size)
	switch {
	case st.refused:
		return s.acknowledge(appendReset(s.out, st.id, RefusedStream))
	case errors.Is(fault, errTooLarge):
		return s.resetStream(st, InternalError)
	case fault != nil:
		return s.malformed(st)
	}
	h := s.hr.head
	if s.hr.kind == responseHead && h.Status < 200 && h.Status != 101 {
		if s.block.endStream {
			return s.malformed(st)
		}
		return nil // an interim answer
	}
	end := s.block.endStream
	if s.hr.kind == trailerHead {
		if st.expect >= 0 && st.got != st.expect {
			return s.malformed(st)
		}
		st.trailers = h
	} else {
		st.head, st.headCame, st.headOnly = h, true, end
		if !(s.handle == nil && st.noBody(h.Status)) {
			st.expect = h.ContentLength
		}
		if end && st.expect > 0 {
			return s.malformed(st)
		}
	}
	st.recvEnd = end
	if s.hr.kind == requestHead {
		s.begun = append(s.begun, st)
	} else {
		wake(st.readable)
	}
	if end {
		s.finished(st)
	}
	return nil
}

// malformed answers a message that is none: a client that sends such ends its
// connection, as Envoy does it (override_stream_error_on_invalid_http_message
// is off); of a service only the one answer is lost.
func (s *Session) malformed(st *Stream) error {
	if s.handle != nil {
		return connError(ProtocolError, "a malformed message")
	}
	return s.resetStream(st, ProtocolError)
}

func (s *Session) resetFrame(f *frame) error {
	if f.stream == 0 {
		return connError(ProtocolError, "RST_STREAM without a stream")
	}
	if len(f.payload) != 4 {
		return connError(FrameSizeError, "RST_STREAM of a wrong length")
	}
	s.mu.Lock()
	st := s.streams[f.stream]
	if st == nil {
		idle := s.unopened(f.stream)
		s.mu.Unlock()
		if idle {
			return connError(ProtocolError, "RST_STREAM on a stream that is not open")
		}
		return nil
	}
	if s.handle != nil && !st.sentHead && time.Since(st.began) < earlyReset {
		if s.early++; 2*s.early >= max(s.ended+1, earlyStreams) {
			s.mu.Unlock()
			return connError(EnhanceYourCalm, "too many requests that were not wanted")
		}
	}
	tell := st.abort(&ResetError{Code: ErrorCode(binary.BigEndian.Uint32(f.payload)), Remote: true})
	s.remove(st)
	s.mu.Unlock()
	if tell != nil {
		tell()
	}
	return nil
}

func (s *Session) pingFrame(f *frame) error {
	if f.stream != 0 {
		return connError(ProtocolError, "PING on a stream")
	}
	if len(f.payload) != 8 {
		return connError(FrameSizeError, "PING of a wrong length")
	}
	if f.has(flagAck) {
		wake(s.acked)
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.acknowledge(appendPing(s.out, true, f.payload))
}

func (s *Session) goAwayFrame(f *frame) error {
	if f.stream != 0 {
		return connError(ProtocolError, "GOAWAY on a stream")
	}
	if len(f.payload) < 8 {
		return connError(FrameSizeError, "GOAWAY of a wrong length")
	}
	last := binary.BigEndian.Uint32(f.payload) & maxWindow
	s.mu.Lock()
	s.refused = true
	var told []func()
	if s.handle == nil {
		for id, st := range s.streams {
			if id > last {
				told = append(told, st.abort(ErrGoAway))
				s.remove(st)
			}
		}
	}
	s.mu.Unlock()
	for _, f := range told {
		if f != nil {
			f()
		}
	}
	return nil
}

func (s *Session) windowFrame(f *frame) error {
	if len(f.payload) != 4 {
		return connError(FrameSizeError, "WINDOW_UPDATE of a wrong length")
	}
	n := int64(binary.BigEndian.Uint32(f.payload) & maxWindow)
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.stream == 0 {
		if s.sendWindow += n; n == 0 || s.sendWindow > maxWindow {
			return connError(windowFault(n), "a window update out of bounds")
		}
		s.wakeWriters()
		return nil
	}
	st := s.streams[f.stream]
	if st == nil {
		if s.unopened(f.stream) {
			return connError(ProtocolError, "WINDOW_UPDATE on a stream that is not open")
		}
		return nil
	}
	if st.sendWindow += n; n == 0 || st.sendWindow > maxWindow {
		return s.resetStream(st, windowFault(n))
	}
	wake(st.writable)
	return nil
}

func windowFault(n int64) ErrorCode {
	if n == 0 {
		return ProtocolError
	}
	return FlowControlError
}
