package http1

import (
	"bytes"

	"github.com/crossgate/crossgate/internal/header"
)

// fieldParser reads the field lines of a request or response head, or of a
// trailer section.
type fieldParser struct {
	list       *header.List
	arena      *header.Arena
	joined     *nameSet
	underscore UnderscoreAction
	seen       uint64 // names of joined that have been there
	repeated   uint64 // and those that came again
	unfolded   bool   // line ends were taken out of the current value
}

// parse reads the lines of b, which ends after the head's blank line. Lines end
// with LF; CRs before it belong to the value's surrounding blanks.
func (p *fieldParser) parse(b []byte) *Error {
	for len(b) > 0 {
		if b[0] == '\n' || b[0] == '\r' && len(b) == 2 {
			break
		}
		n, err := p.parseField(b)
		if err != nil {
			if hasControl(b) {
				return errControl
			}
			return err
		}
		b = b[n:]
	}
	if p.repeated != 0 {
		joinRepeated(p.list, p.arena, p.joined, p.repeated)
	}
	return nil
}

// parseField reads one field with its folded lines and returns their length.
func (p *fieldParser) parseField(b []byte) (int, *Error) {
	if b[0] == ' ' || b[0] == '\t' {
		return 0, errFold
	}
	colon := 0
	for {
		c := lowerToken[b[colon]]
		if c == 0 {
			break
		}
		b[colon] = c
		colon++
	}
	if colon == 0 || b[colon] != ':' {
		return 0, errFieldName
	}
	end := colon + 1 + bytes.IndexByte(b[colon+1:], '\n')
	value := b[colon+1 : end]
	end++
	// Fast way: one blank before the value, CR after it, nothing odd inside.
	if len(value) > 2 && value[0] == ' ' && value[len(value)-1] == '\r' && value[1] > ' ' && value[len(value)-2] > ' ' {
		value = value[1 : len(value)-1]
	}
	if b[end] == ' ' || b[end] == '\t' || !plain(value) || len(value) == 0 || value[0] == ' ' || value[len(value)-1] == ' ' {
		n, err := p.oddValue(b[colon+1:], &value)
		if err != nil {
			return 0, err
		}
		end = colon + 1 + n
	}
	return end, p.add(b[:colon:colon], value)
}

// oddValue reads a value that has folded lines, CRs, control characters or more
// blanks around it than usual. It returns the length of its lines.
func (p *fieldParser) oddValue(b []byte, value *[]byte) (int, *Error) {
	n := 0
	for {
		n += bytes.IndexByte(b[n:], '\n') + 1
		if n == len(b) || b[n] != ' ' && b[n] != '\t' {
			break
		}
	}
	v := trim(b[:n])
	if hasControl(v) {
		return 0, errControl
	}
	if bytes.IndexByte(v, '\r') >= 0 || bytes.IndexByte(v, '\n') >= 0 {
		// Envoy takes line ends out and leaves the blanks of the folding, so
		// that nothing behind it sees more than one line.
		w := p.arena.Start()
		for _, c := range v {
			if c != '\r' && c != '\n' {
				w = append(w, c)
			}
		}
		v = p.arena.Done(w)
		p.unfolded = true
	}
	*value = v
	return n, nil
}

// add keeps the field, unless the underscore rule is against it.
func (p *fieldParser) add(name, value []byte) *Error {
	if p.unfolded {
		p.unfolded = false
		if err := foldedFraming(name); err != nil {
			return err
		}
	}
	if p.underscore != AllowUnderscore && bytes.IndexByte(name, '_') >= 0 {
		if p.underscore == RejectUnderscore {
			return errUnderscore
		}
		return nil
	}
	if p.joined != nil {
		if i := p.joined.index(name); i >= 0 {
			p.repeated |= p.seen & (1 << i)
			p.seen |= 1 << i
		}
	}
	p.list.Add(name, value)
	return nil
}

// foldedFraming refuses line ends inside the fields that say where a message
// ends. Envoy refuses them in content-length too; "chun CR ked" it forwards as
// a request without a body, and reads the body as the next request.
func foldedFraming(name []byte) *Error {
	switch string(name) {
	case "content-length":
		return errLength
	case "transfer-encoding":
		return errTransferCoding
	}
	return nil
}
