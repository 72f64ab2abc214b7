package http2

import (
	"cmp"
	"slices"

	"golang.org/x/net/http2/hpack"
)

// appendString appends a string literal, in Huffman's code where that is shorter.
func appendString(dst, s []byte) []byte {
	bits := 0
	for _, c := range s {
		bits += int(huffman.codes[c].bits)
	}
	size := (bits + 7) / 8
	if size >= len(s) {
		dst = appendInteger(dst, 0, 7, uint64(len(s)))
		return append(dst, s...)
	}
	dst = appendInteger(dst, 0x80, 7, uint64(size))
	var acc uint64
	var n uint
	for _, c := range s {
		code := &huffman.codes[c]
		acc = acc<<code.bits | uint64(code.code)
		for n += uint(code.bits); n >= 8; n -= 8 {
			dst = append(dst, byte(acc>>(n-8)))
		}
	}
	if n > 0 { // the rest is filled with ones
		dst = append(dst, byte(acc<<(8-n))|byte(0xff>>n))
	}
	return dst
}

// appendDecoded appends what a string in Huffman's code says (RFC 7541 section 5.2).
func appendDecoded(dst, p []byte) ([]byte, error) {
	var acc uint64 // its low n bits are not decoded yet
	n := uint(0)
	for {
		for ; n <= 56 && len(p) > 0; n += 8 {
			acc, p = acc<<8|uint64(p[0]), p[1:]
		}
		if n == 0 {
			return dst, nil
		}
		// What follows the end is ones, as the padding is.
		next := uint32(acc << (64 - n) >> 32)
		if n < 32 {
			next |= 1<<(32-n) - 1
		}
		s := huffman.short[next>>24]
		if s.bits == 0 {
			s = huffman.long(next)
		}
		if s.bits == 0 || uint(s.bits) > n {
			if n < 8 && next == 1<<32-1 {
				return dst, nil
			}
			return dst, errBlockHuffman
		}
		dst = append(dst, s.symbol)
		n -= uint(s.bits)
	}
}

// huffmanCode is the code of a byte (RFC 7541 appendix B).
type huffmanCode struct {
	code uint32
	bits uint8
}

// huffmanSymbol is a byte, and how long its code is; 0 bits: there is none.
type huffmanSymbol struct{ symbol, bits uint8 }

// huffmanTables have the codes of all bytes, which hpack tells by its encodings.
type huffmanTables struct {
	codes [256]huffmanCode
	// short finds the codes of up to eight bits, which are nearly all that occur.
	short [256]huffmanSymbol
	// rest are the bytes with longer codes, in the order of these: none is the
	// beginning of another one.
	rest []uint8
}

var huffman = makeHuffmanTables()

func makeHuffmanTables() *huffmanTables {
	t := &huffmanTables{}
	for c := range t.codes {
		s := string([]byte{byte(c)})
		eight := s + s + s + s + s + s + s + s
		bits := uint8(hpack.HuffmanEncodeLength(eight)) // of eight of them in bytes is of one in bits
		code := uint32(0)
		text := hpack.AppendHuffmanString(nil, s)
		for _, b := range text {
			code = code<<8 | uint32(b)
		}
		code >>= 8*uint(len(text)) - uint(bits)
		t.codes[c] = huffmanCode{code, bits}
		if bits > 8 {
			t.rest = append(t.rest, byte(c))
			continue
		}
		for i := range uint32(1) << (8 - bits) {
			t.short[code<<(8-bits)|i] = huffmanSymbol{byte(c), bits}
		}
	}
	slices.SortFunc(t.rest, func(a, b uint8) int { return cmp.Compare(t.codes[a].aligned(), t.codes[b].aligned()) })
	return t
}

// aligned is the code at the beginning of 32 bits.
func (c *huffmanCode) aligned() uint32 { return c.code << (32 - c.bits) }

// long finds the byte whose code of more than eight bits begins next.
func (t *huffmanTables) long(next uint32) huffmanSymbol {
	low, high := 0, len(t.rest)
	for high-low > 1 {
		if middle := (low + high) / 2; t.codes[t.rest[middle]].aligned() <= next {
			low = middle
		} else {
			high = middle
		}
	}
	c := t.rest[low]
	if code := &t.codes[c]; next>>(32-code.bits) == code.code {
		return huffmanSymbol{c, code.bits}
	}
	return huffmanSymbol{}
}
