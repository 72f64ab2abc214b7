package engine

import (
	"encoding/hex"
	mathrand "math/rand/v2"
	"runtime/debug"
	"strconv"
	"sync"

	"github.com/crossgate/crossgate/internal/header"
)

// Sizes of buffers in bytes: for heads and short bodies, and for long ones, which
// then need few system calls.
const (
	smallBuffer = 16 << 10
	largeBuffer = 80 << 10
)

// bufferPool holds buffers of the two sizes; others are left to the collector. It
// holds arrays, for putting a slice into a pool allocates.
type bufferPool struct{ small, large sync.Pool }

func (p *bufferPool) get() []byte {
	if b, ok := p.small.Get().(*[smallBuffer]byte); ok {
		return b[:]
	}
	return make([]byte, smallBuffer)
}

func (p *bufferPool) getLarge() []byte {
	if b, ok := p.large.Get().(*[largeBuffer]byte); ok {
		return b[:]
	}
	return make([]byte, largeBuffer)
}

func (p *bufferPool) put(b []byte) {
	switch cap(b) {
	case smallBuffer:
		p.small.Put((*[smallBuffer]byte)(b[:smallBuffer]))
	case largeBuffer:
		p.large.Put((*[largeBuffer]byte)(b[:largeBuffer]))
	}
}

// streamPool holds streams between requests.
type streamPool struct{ pool sync.Pool }

func (p *streamPool) get() *stream {
	if s, ok := p.pool.Get().(*stream); ok {
		return s
	}
	return &stream{}
}

func (p *streamPool) put(s *stream) {
	s.endFault()
	s.streamState = streamState{}
	p.pool.Put(s)
}

// appendInt keeps the decimal form of n in the arena.
func appendInt(a *header.Arena, n int64) []byte {
	return a.Done(strconv.AppendInt(a.Start(), n, 10))
}

// randomBelow returns a number below n, 0 for n == 0.
func randomBelow(n uint32) uint32 {
	if n == 0 {
		return 0
	}
	return mathrand.Uint32N(n)
}

// keepUUID keeps a new random UUID in the arena.
func keepUUID(a *header.Arena) []byte { return a.Done(appendUUID(a.Start())) }

// appendUUID appends a new random UUID (RFC 9562 version 4).
func appendUUID(dst []byte) []byte {
	var id [16]byte
	putRandom(&id)
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	var text [36]byte
	hex.Encode(text[:8], id[:4])
	text[8] = '-'
	hex.Encode(text[9:13], id[4:6])
	text[13] = '-'
	hex.Encode(text[14:18], id[6:8])
	text[18] = '-'
	hex.Encode(text[19:23], id[8:10])
	text[23] = '-'
	hex.Encode(text[24:], id[10:])
	return append(dst, text[:]...)
}

// putRandom fills id from the runtime's generator, a cryptographic one, without a
// system call.
func putRandom(id *[16]byte) {
	hi, lo := mathrand.Uint64(), mathrand.Uint64()
	for i := range 8 {
		id[i] = byte(hi >> (8 * i))
		id[8+i] = byte(lo >> (8 * i))
	}
}

// stack is the stack of a goroutine that panicked.
func stack() string { return string(debug.Stack()) }
