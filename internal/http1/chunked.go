package http1

import (
	"github.com/crossgate/crossgate/internal/header"
)

// Limits of the chunked coding. Envoy has none for the chunk line.
const (
	maxChunkLine = 16 << 10            // bytes of a chunk line, extensions included
	maxTrailer   = DefaultMaxHeadBytes // bytes of the trailer section
	maxChunkSize = uint64(1)<<63 - 1   // bytes of a chunk
	noDigit      = uint8(255)          // not a hexadecimal digit
	crlf         = "\r\n"              // ends every line that is written
	lastChunk    = "0" + crlf          // without trailers
	hexDigits    = "0123456789abcdef"  // as Envoy writes sizes
)

// chunkState is where in the coding the decoder is.
type chunkState uint8

const (
	chunkSize      chunkState = iota // before or in the size's digits
	chunkExtension                   // after the digits, to the CR
	chunkLF                          // after the line's CR
	chunkData
	chunkEnd // after the data: any CRs, then LF
	chunkTrailer
	chunkDone
)

// ChunkDecoder decodes a chunked body. The zero value is ready to use.
//
// A chunk's line must end with CR LF, extensions are skipped, and the data's end
// may be a bare LF, as with Envoy. Unlike with Envoy nothing else may stand
// between the data and that LF, a chunk is smaller than 2^63 bytes, and its line
// than 16 KiB. The trailer section is always checked.
type ChunkDecoder struct {
	// Trailers are the fields after the last chunk, if KeepTrailers is set; as
	// with Envoy repeated ones stay separate. They point into memory of the
	// decoder and are valid until Reset. Fields about framing and routing
	// (content-length, transfer-encoding, host) are never among them.
	Trailers header.List
	// KeepTrailers collects the trailers instead of dropping them
	// (enable_trailers).
	KeepTrailers bool

	state   chunkState
	digits  bool   // the size has a digit
	line    int    // bytes of the chunk line so far
	left    uint64 // of the chunk's data
	scan    headScan
	section []byte // the trailer section, which may arrive in pieces
	arena   header.Arena
}

// Reset makes the decoder ready for the next body and keeps its memory.
func (d *ChunkDecoder) Reset() {
	resetList(&d.Trailers)
	d.arena.Reset()
	*d = ChunkDecoder{Trailers: d.Trailers, KeepTrailers: d.KeepTrailers, section: d.section[:0], arena: d.arena}
}

// Next decodes the beginning of buf. It consumed n bytes, of which data, a part
// of buf, is a run of the body; done says that the body and its trailers have
// ended. With n == 0 and not done more bytes are needed. Call it again with the
// rest of buf until then. No byte after the body is consumed.
func (d *ChunkDecoder) Next(buf []byte) (data []byte, n int, done bool, err *Error) {
	for n < len(buf) && d.state != chunkDone {
		switch d.state {
		case chunkData:
			size := int(min(uint64(len(buf)-n), d.left))
			data = buf[n : n+size]
			n += size
			if d.left -= uint64(size); d.left == 0 {
				d.state = chunkEnd
			}
			return data, n, false, nil
		case chunkTrailer:
			used, err := d.trailer(buf[n:])
			if err != nil {
				return nil, 0, false, err
			}
			n += used
		case chunkEnd:
			if !d.endData(buf[n]) {
				return nil, 0, false, errChunkEnd
			}
			n++
		default:
			if !d.step(buf[n]) {
				return nil, 0, false, errChunk
			}
			n++
		}
	}
	return nil, n, d.state == chunkDone, nil
}

// BodyEnded reports whether the last chunk has come, the trailers aside.
func (d *ChunkDecoder) BodyEnded() bool { return d.state == chunkTrailer || d.state == chunkDone }

// step takes one byte of a chunk's line and reports whether it may stand there.
func (d *ChunkDecoder) step(c byte) bool {
	switch d.state {
	case chunkSize:
		if v := hexValue(c); v != noDigit {
			if d.left > maxChunkSize>>4 {
				return false
			}
			d.left = d.left<<4 | uint64(v)
			d.digits = true
			return d.lineGrows()
		}
		if !d.digits || c != '\r' && c != ';' && c != ' ' && c != '\t' {
			return false
		}
		d.state = chunkExtension
		if c == '\r' {
			d.state = chunkLF
		}
		return d.lineGrows()
	case chunkExtension:
		if c == '\r' {
			d.state = chunkLF
		}
		return c != '\n' && d.lineGrows()
	default: // chunkLF
		d.state = chunkData
		if d.left == 0 {
			d.state = chunkTrailer
		}
		d.digits, d.line = false, 0
		return c == '\n'
	}
}

// endData takes one byte of what follows a chunk's data: CRs and LF. Envoy skips
// everything up to LF; a party that does not would see other chunks.
func (d *ChunkDecoder) endData(c byte) bool {
	if c == '\n' {
		d.state, d.line = chunkSize, 0
		return true
	}
	return c == '\r' && d.lineGrows()
}

func (d *ChunkDecoder) lineGrows() bool {
	d.line++
	return d.line <= maxChunkLine
}

func hexValue(c byte) uint8 {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return noDigit
}

// trailer takes what belongs to the trailer section from buf. A section that
// does not come in one piece is collected first.
func (d *ChunkDecoder) trailer(buf []byte) (n int, err *Error) {
	if len(d.section) == 0 && buf[0] == '\n' {
		d.state = chunkDone
		return 1, nil
	}
	if len(d.section) == 0 && len(buf) > 1 && buf[0] == '\r' && buf[1] == '\n' {
		d.state = chunkDone
		return 2, nil
	}
	before := len(d.section)
	d.section = append(d.section, buf[:min(len(buf), maxTrailer+4-before)]...)
	end, err := d.sectionEnd()
	if err != nil {
		return 0, err
	}
	if end == 0 {
		if len(d.section) > maxTrailer {
			return 0, errTooLarge
		}
		return len(d.section) - before, nil
	}
	d.section = d.section[:end]
	d.state = chunkDone
	return end - before, d.parseTrailer()
}

// sectionEnd finds the blank line that ends the section. The section itself may
// be that line.
func (d *ChunkDecoder) sectionEnd() (int, *Error) {
	if d.section[0] == '\r' && len(d.section) > 1 && d.section[1] == '\n' {
		return 2, nil
	}
	return d.scan.end(d.section, maxTrailer)
}

func (d *ChunkDecoder) parseTrailer() *Error {
	p := fieldParser{list: &d.Trailers, arena: &d.arena}
	if err := p.parse(d.section); err != nil {
		return err
	}
	if !d.KeepTrailers {
		d.Trailers.Reset()
		return nil
	}
	d.Trailers.Remove("content-length")
	d.Trailers.Remove("transfer-encoding")
	d.Trailers.Remove("host")
	if len(d.Trailers.Fields) > DefaultMaxHeaders {
		return errTooMany
	}
	return nil
}

// AppendChunkHead appends the line before a chunk of size bytes, which must not
// be 0. After the chunk belongs "\r\n".
func AppendChunkHead(dst []byte, size int) []byte {
	return append(appendHex(dst, uint64(size)), crlf...)
}

func appendHex(dst []byte, n uint64) []byte {
	shift := 60
	for shift > 0 && n>>shift == 0 {
		shift -= 4
	}
	for ; shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[n>>shift&15])
	}
	return dst
}

// AppendLastChunk appends the last chunk with the trailers, which may be nil.
func AppendLastChunk(dst []byte, trailers *header.List) []byte {
	dst = append(dst, lastChunk...)
	if trailers != nil {
		dst = appendFields(dst, trailers)
	}
	return append(dst, crlf...)
}
