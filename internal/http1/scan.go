package http1

import "bytes"

// headScan is how far the search for the end of a head has come, so that a head
// that arrives byte by byte is looked at once. Positions count from the buffer's
// beginning.
type headScan struct {
	start    int  // the head's first byte, after empty lines
	at       int  // everything before is known not to hold the head's end
	lineEnd  int  // just after the first line, once that is complete
	headless bool // the first line is the whole message (HTTP/0.9)
	control  bool // the first line has control characters between its parts
}

// firstLine skips empty lines and finds the end of the first line. ok is false
// as long as it is not there. It counts against the limit what it skips, too: an
// endless run of empty lines is refused, later than by Envoy.
func (s *headScan) firstLine(buf []byte, limit int) (ok bool, err *Error) {
	if s.lineEnd > 0 {
		return true, nil
	}
	if s.at == s.start {
		for s.start < len(buf) && (buf[s.start] == '\r' || buf[s.start] == '\n') {
			s.start++
		}
		s.at = s.start
		if s.start > limit {
			return false, errTooLarge
		}
		if s.start == len(buf) {
			return false, nil
		}
		if buf[s.start] <= ' ' {
			return false, errFirstByte
		}
	}
	i := bytes.IndexByte(buf[s.at:], '\n')
	if i < 0 {
		s.at = len(buf)
		return false, s.tooLarge(len(buf), limit)
	}
	s.lineEnd = s.at + i + 1
	s.at = s.lineEnd - 1
	return true, s.tooLarge(s.lineEnd, limit)
}

// end returns the position after the head's blank line, or 0 if it is not there:
// the first LF that is followed by LF or CR LF.
func (s *headScan) end(buf []byte, limit int) (int, *Error) {
	if s.headless {
		return s.lineEnd, nil
	}
	for s.at < len(buf) {
		i := bytes.IndexByte(buf[s.at:], '\n')
		if i < 0 {
			s.at = len(buf)
			break
		}
		s.at += i
		rest := buf[s.at+1:]
		if len(rest) > 0 && rest[0] == '\r' {
			rest = rest[1:]
		}
		if len(rest) == 0 {
			break
		}
		if rest[0] == '\n' {
			n := len(buf) - len(rest) + 1
			return n, s.tooLarge(n, limit)
		}
		s.at++
	}
	return 0, s.tooLarge(len(buf), limit)
}

func (s *headScan) tooLarge(end, limit int) *Error {
	if end-s.start > limit {
		return errTooLarge
	}
	return nil
}
