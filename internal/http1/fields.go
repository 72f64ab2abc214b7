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
	size       int    // see Request.FieldBytes
	coding     []byte // the last transfer-encoding, where names came again
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
		p.coding = lastCoding(p.list)
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
	// The usual value: a blank before it, nothing odd inside, CR LF after it,
	// and no folded line.
	at := colon + 1
	if b[at] == ' ' {
		at++
	}
	value := b[at:]
	n := plainRun(value)
	if n > 0 && n+2 < len(value) && value[n] == '\r' && value[n+1] == '\n' &&
		value[n+2] != ' ' && value[n+2] != '\t' && value[0] != ' ' && value[n-1] != ' ' {
		return at + n + 2, p.add(b[:colon:colon], value[:n:n])
	}
	n, err := p.oddValue(b[colon+1:], &value)
	if err != nil {
		return 0, err
	}
	return colon + 1 + n, p.add(b[:colon:colon], value)
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
	p.size += len(name) + len(value) + len(":\r\n")
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

// lastCoding is the value of the last transfer-encoding in the list.
func lastCoding(l *header.List) []byte {
	for i := len(l.Fields) - 1; i >= 0; i-- {
		if string(l.Fields[i].Name) == "transfer-encoding" {
			return l.Fields[i].Value
		}
	}
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
