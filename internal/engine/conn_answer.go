package engine

import (
	"errors"
	"io"
	"time"

	"github.com/crossgate/crossgate/internal/header"
	"github.com/crossgate/crossgate/internal/http1"
)

// reply implements client.
func (c *conn) reply(s *stream) error {
	c.setWriteTimeout(s.end, s.manager.streamIdleTimeout)
	h := &s.resp.Headers
	head, framing := string(s.req.Method) == "HEAD", http1.NoBody
	if len(s.body) == 0 && !h.Has("content-length") && s.status != 204 && s.status != 304 {
		if head && s.req.Minor > 0 {
			// Envoy's codec takes an answer to HEAD of unknown length for a
			// chunked one.
			framing = http1.Chunked
		} else if !head {
			s.addNoLength(h)
		}
	}
	s.appendHead(framing)
	if !head {
		s.out = append(s.out, s.body...)
		s.sent = int64(len(s.body))
	}
	return c.write(s.out, nil)
}

// relay implements client.
func (c *conn) relay(s *stream) error {
	c.setWriteTimeout(s.end, s.up.idle())
	framing := s.downstreamFraming()
	s.appendHead(framing)
	if framing == http1.UntilClose {
		s.closing = true
	}
	switch {
	case s.resp.Framing == http1.NoBody:
		if err := c.write(s.out, nil); err != nil {
			return clientError{err}
		}
		return nil
	case s.resp.Framing == http1.Length && framing == http1.NoBody:
		return c.relayLength(s)
	}
	return c.relayChunks(s, framing)
}

// addNoLength says that there is no body, where Envoy's codec does: logs do not see it.
func (s *stream) addNoLength(h *header.List) {
	h.Add(hContentLength, vZero)
	s.noLength = true
}

// appendHead writes the answer's head to out.
func (s *stream) appendHead(framing http1.Framing) {
	s.out = http1.AppendResponseHead(s.out[:0], s.status, &s.resp.Headers, framing, false)
	s.headSent = fieldBytes(s.out)
	if s.manager.properCase {
		http1.ProperCase(s.out)
	}
}

// answerTrailers are what a client of HTTP/1.1 gets after the body, or nil.
func (s *stream) answerTrailers() *header.List {
	if !s.manager.trailers {
		return nil
	}
	return s.up.trailers()
}

// appendEnd writes the end of a chunked body to out.
func (s *stream) appendEnd() {
	t := s.answerTrailers()
	s.headSent += trailerBytes(t, len(": \r\n"))
	s.out = http1.AppendLastChunk(s.out, t)
}

// downstreamFraming decides how the client finds the body's end, and writes the
// length where Envoy's codec would.
func (s *stream) downstreamFraming() http1.Framing {
	h := &s.resp.Headers
	head := string(s.req.Method) == "HEAD"
	if h.Has("content-length") || s.status < 200 || s.status == 204 || s.status == 304 {
		return http1.NoBody
	}
	if !head && (s.resp.Framing == http1.NoBody || s.resp.Framing == http1.Length && s.resp.ContentLength == 0) {
		s.addNoLength(h)
		return http1.NoBody
	}
	if s.req.Minor == 0 {
		if !s.closing {
			h.Set(hConnection, vClose)
		}
		return http1.UntilClose
	}
	return http1.Chunked
}

// relayLength passes a body of known length on, without touching it.
func (c *conn) relayLength(s *stream) error {
	x := &s.up
	left := s.resp.ContentLength
	for first := true; first || left > 0; first = false {
		data := x.buf[x.r:x.w]
		data = data[:min(int64(len(data)), left)]
		x.r += len(data)
		left -= int64(len(data))
		s.sent += int64(len(data))
		if err := c.writeFirst(s, data); err != nil {
			return err
		}
		if left == 0 {
			return nil
		}
		if err := x.readBody(left); err != nil {
			return err
		}
		c.setWriteTimeout(time.Now(), x.idle())
	}
	return nil
}

// writeFirst writes the head with the first part of the body; later parts alone.
func (c *conn) writeFirst(s *stream, data []byte) error {
	var err error
	switch {
	case len(s.out) == 0:
		err = c.write(data, nil)
	case len(data) <= copyLimit:
		s.out = append(s.out, data...)
		err = c.write(s.out, nil)
	default:
		err = c.write(s.out, data)
	}
	s.out = s.out[:0]
	if err != nil {
		return clientError{err}
	}
	return nil
}

// copyLimit is the size up to which copying is cheaper than a vectored write.
const copyLimit = 8 << 10

// relayChunks passes a body on whose end the service marks by chunks or by closing
// its connection, or whose length the client is not told.
func (c *conn) relayChunks(s *stream, framing http1.Framing) error {
	x := &s.up
	left := s.resp.ContentLength
	for {
		head := len(s.out)
		done, err := s.takeChunks(framing, &left)
		if err != nil {
			// What came before the fault in the same read is not passed on,
			// but the head is; and the whole body if only its trailers are bad.
			if x.chunk.BodyEnded() {
				head = len(s.out)
			}
			if werr := c.write(s.out[:head], nil); werr != nil {
				return clientError{werr}
			}
			return err
		}
		if done && framing == http1.Chunked {
			s.appendEnd()
		}
		if len(s.out) > 0 {
			if err := c.write(s.out, nil); err != nil {
				return clientError{err}
			}
			s.out = s.out[:0]
		}
		if done {
			return nil
		}
		err = x.readBody(0)
		c.setWriteTimeout(time.Now(), x.idle())
		if s.resp.Framing == http1.UntilClose && errors.Is(err, io.EOF) {
			if framing == http1.Chunked {
				s.appendEnd()
				if err := c.write(s.out, nil); err != nil {
					return clientError{err}
				}
			}
			s.resp.Close = true
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// takeChunks appends what is in the window to the output, framed for the client.
func (s *stream) takeChunks(framing http1.Framing, left *int64) (done bool, err error) {
	for !done {
		var data []byte
		if data, done, err = s.up.take(left); err != nil {
			return false, err
		}
		if len(data) == 0 {
			break
		}
		s.sent += int64(len(data))
		if framing == http1.Chunked {
			s.out = appendBody(s.out, data, framing)
		} else {
			s.out = append(s.out, data...)
		}
	}
	return done, nil
}
