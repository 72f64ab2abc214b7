package http2

import "encoding/binary"

// frameType is the type of a frame (RFC 9113 section 6).
type frameType uint8

const (
	frameData frameType = iota
	frameHeaders
	framePriority
	frameReset
	frameSettings
	framePushPromise
	framePing
	frameGoAway
	frameWindowUpdate
	frameContinuation
)

// Flags of frames.
const (
	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

const (
	frameHeaderLen = 9
	// minMaxFrame is the frame size that everybody accepts (section 4.2).
	minMaxFrame   = 16 << 10
	maxFrameLimit = 1<<24 - 1
	maxWindow     = 1<<31 - 1
	// defaultWindow is every window's size at first (section 6.9.2).
	defaultWindow = 65535
)

// Preface is what a client says first (section 3.4).
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// frame is a frame's header and its payload, which belongs to the reader's buffer.
type frame struct {
	kind    frameType
	flags   uint8
	stream  uint32
	payload []byte
}

func (f *frame) has(flag uint8) bool { return f.flags&flag != 0 }

// parseFrame parses the frame at the beginning of buf and returns its length, or
// 0 when more bytes are needed. A frame longer than limit is refused.
func parseFrame(buf []byte, limit int, f *frame) (int, error) {
	if len(buf) < frameHeaderLen {
		return 0, nil
	}
	n := int(buf[0])<<16 | int(buf[1])<<8 | int(buf[2])
	if n > limit {
		return 0, connError(FrameSizeError, "a frame is longer than announced")
	}
	if len(buf) < frameHeaderLen+n {
		return 0, nil
	}
	f.kind, f.flags = frameType(buf[3]), buf[4]
	f.stream = binary.BigEndian.Uint32(buf[5:]) & maxWindow
	f.payload = buf[frameHeaderLen : frameHeaderLen+n]
	return frameHeaderLen + n, nil
}

// unpad takes the padding away from the payload of DATA and HEADERS (section 6.1).
func (f *frame) unpad() error {
	if !f.has(flagPadded) {
		return nil
	}
	if len(f.payload) == 0 {
		return connError(FrameSizeError, "a padded frame without a length of its padding")
	}
	pad := int(f.payload[0])
	f.payload = f.payload[1:]
	if pad > len(f.payload) {
		return connError(ProtocolError, "the padding is longer than the frame")
	}
	f.payload = f.payload[:len(f.payload)-pad]
	return nil
}

func appendFrameHeader(dst []byte, kind frameType, flags uint8, stream uint32, length int) []byte {
	dst = append(dst, byte(length>>16), byte(length>>8), byte(length), byte(kind), flags)
	return binary.BigEndian.AppendUint32(dst, stream)
}

func appendReset(dst []byte, stream uint32, code ErrorCode) []byte {
	dst = appendFrameHeader(dst, frameReset, 0, stream, 4)
	return binary.BigEndian.AppendUint32(dst, uint32(code))
}

func appendWindowUpdate(dst []byte, stream, n uint32) []byte {
	dst = appendFrameHeader(dst, frameWindowUpdate, 0, stream, 4)
	return binary.BigEndian.AppendUint32(dst, n)
}

func appendPing(dst []byte, ack bool, data []byte) []byte {
	var flags uint8
	if ack {
		flags = flagAck
	}
	dst = appendFrameHeader(dst, framePing, flags, 0, 8)
	return append(dst, data...)
}

func appendGoAway(dst []byte, last uint32, code ErrorCode, debug string) []byte {
	dst = appendFrameHeader(dst, frameGoAway, 0, 0, 8+len(debug))
	dst = binary.BigEndian.AppendUint32(dst, last)
	dst = binary.BigEndian.AppendUint32(dst, uint32(code))
	return append(dst, debug...)
}

// appendHeaders splits a header block into HEADERS and CONTINUATION frames.
func appendHeaders(dst []byte, stream uint32, block []byte, end bool, limit int) []byte {
	kind, flags := frameHeaders, uint8(0)
	if end {
		flags = flagEndStream
	}
	for {
		part := block[:min(len(block), limit)]
		block = block[len(part):]
		if len(block) == 0 {
			flags |= flagEndHeaders
		}
		dst = appendFrameHeader(dst, kind, flags, stream, len(part))
		dst = append(dst, part...)
		if len(block) == 0 {
			return dst
		}
		kind, flags = frameContinuation, 0
	}
}
