package http2

import "encoding/binary"

// Settings (RFC 9113 section 6.5.2).
const (
	settingTableSize     = 1
	settingEnablePush    = 2
	settingMaxStreams    = 3
	settingInitialWindow = 4
	settingMaxFrame      = 5
	settingMaxHeaderList = 6
)

// settingsFrame takes the other side's settings.
func (s *Session) settingsFrame(f *frame) error {
	if f.stream != 0 {
		return connError(ProtocolError, "SETTINGS on a stream")
	}
	if f.has(flagAck) {
		if len(f.payload) != 0 {
			return connError(FrameSizeError, "an acknowledgement with settings")
		}
		return nil
	}
	if len(f.payload)%6 != 0 {
		return connError(FrameSizeError, "SETTINGS of a wrong length")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.greeted = true
	for p := f.payload; len(p) > 0; p = p[6:] {
		if err := s.setting(binary.BigEndian.Uint16(p), binary.BigEndian.Uint32(p[2:])); err != nil {
			return err
		}
	}
	return s.acknowledge(appendFrameHeader(s.out, frameSettings, flagAck, 0, 0))
}

func (s *Session) setting(id uint16, v uint32) error {
	switch id {
	case settingTableSize:
		s.enc.setLimit(v)
	case settingEnablePush:
		if v > 1 {
			return connError(ProtocolError, "ENABLE_PUSH is neither 0 nor 1")
		}
	case settingMaxStreams:
		s.peer.maxStreams = v
	case settingInitialWindow:
		if v > maxWindow {
			return connError(FlowControlError, "INITIAL_WINDOW_SIZE is too large")
		}
		more := int64(v) - s.peer.window
		s.peer.window = int64(v)
		for _, st := range s.streams {
			if st.sendWindow += more; st.sendWindow > maxWindow {
				return connError(FlowControlError, "a window is too large")
			}
			wake(st.writable)
		}
	case settingMaxFrame:
		if v < minMaxFrame || v > maxFrameLimit {
			return connError(ProtocolError, "MAX_FRAME_SIZE is out of bounds")
		}
		s.peer.maxFrame = int(v)
	}
	return nil
}

// acknowledge takes the output with another frame that the other side caused.
func (s *Session) acknowledge(out []byte) error {
	s.out = out
	if s.control++; s.control > maxPendingControl {
		return connError(EnhanceYourCalm, "too many frames to be acknowledged")
	}
	s.flush(true)
	return nil
}
