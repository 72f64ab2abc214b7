package http1

import "github.com/crossgate/crossgate/internal/header"

// ChunkDecoder decodes a chunked body. The zero value is ready to use.
type ChunkDecoder struct {
	// Trailers are the fields after the last chunk, if KeepTrailers is set.
	// They point into memory of the decoder.
	Trailers header.List
	// KeepTrailers collects the trailers instead of dropping them
	// (enable_trailers).
	KeepTrailers bool
}

// Reset makes the decoder ready for the next body.
func (d *ChunkDecoder) Reset() {
	d.Trailers.Reset()
}

// Next decodes the beginning of buf. It consumed n bytes, of which data, a part
// of buf, is a run of the body; done says that the body and its trailers have
// ended. With n == 0 and not done more bytes are needed. Call it again with the
// rest of buf until then.
func (d *ChunkDecoder) Next(buf []byte) (data []byte, n int, done bool, err *Error) {
	return nil, 0, false, nil
}
