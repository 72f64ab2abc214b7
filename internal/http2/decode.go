package http2

import "errors"

// field is a field of a header block as the decoder gives it on. Name and value stay
// as they are until the decoder goes on.
type field struct {
	name, value []byte
	kind        fieldKind
	static      bool // the name is one of the static table's, which stay
	valid       bool // name and value are well-formed
}

// fieldKind tells the names apart that mean something to a head.
type fieldKind uint8

const (
	kindPlain fieldKind = iota
	kindMethod
	kindScheme
	kindAuthority
	kindPath
	kindStatus
	kindPseudo // another one, that there is not
	kindConnection
	kindTE
	kindHost
	kindContentLength
	kindCookie
)

func (k fieldKind) pseudo() bool { return kindMethod <= k && k <= kindPseudo }

func kindOf(name []byte) fieldKind {
	switch string(name) {
	case ":method":
		return kindMethod
	case ":scheme":
		return kindScheme
	case ":authority":
		return kindAuthority
	case ":path":
		return kindPath
	case ":status":
		return kindStatus
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
		return kindConnection
	case "te":
		return kindTE
	case "host":
		return kindHost
	case "content-length":
		return kindContentLength
	case "cookie":
		return kindCookie
	}
	if len(name) > 0 && name[0] == ':' {
		return kindPseudo
	}
	return kindPlain
}

// What can be wrong with a header block.
var (
	errBlockIndex    = errors.New("http2: an index that is not in the tables")
	errBlockInteger  = errors.New("http2: an integer in a header block is too large")
	errBlockString   = errors.New("http2: a string in a header block is too long")
	errBlockCut      = errors.New("http2: a header block is cut off")
	errBlockTable    = errors.New("http2: a change of the table's size that must not be")
	errBlockHuffman  = errors.New("http2: a string in a header block is not in Huffman's code")
	errBlockMoreData = errors.New("http2: more of the header block is needed")
)

// decoder reads header blocks (HPACK, RFC 7541). It allocates nothing once its tables
// have their sizes.
type decoder struct {
	emit      func(*field)
	table     table
	maxString int // of a name or a value; longer ones are an error
	saved     []byte
	begun     bool // the block at hand has had a field
	f         field
	texts     [2][]byte // of Huffman codes: name, value
}

func (d *decoder) init(maxString int, emit func(*field)) {
	d.emit, d.maxString = emit, maxString
	d.table.limit = tableSize
}

// write takes the next piece of a block. Every error is one of the connection: the
// tables of the two sides are not the same any more.
func (d *decoder) write(p []byte) error {
	if len(d.saved) > 0 {
		d.saved = append(d.saved, p...)
		p = d.saved
	}
	for len(p) > 0 {
		n, err := d.next(p)
		if err == errBlockMoreData {
			if len(p) > 2*(d.maxString+varintRoom) {
				return errBlockString
			}
			d.saved = append(d.saved[:0], p...)
			return nil
		}
		if err != nil {
			return err
		}
		d.begun = true
		p = p[n:]
	}
	d.saved = d.saved[:0]
	if cap(d.saved) > minMaxFrame {
		d.saved = nil
	}
	return nil
}

// varintRoom is more than an integer before a string takes.
const varintRoom = 16

// end ends the block.
func (d *decoder) end() error {
	cut := len(d.saved) > 0
	d.saved, d.begun = d.saved[:0], false
	if cut {
		return errBlockCut
	}
	return nil
}

// next takes one representation (RFC 7541 section 6) and returns its length.
func (d *decoder) next(p []byte) (int, error) {
	switch b := p[0]; {
	case b&0x80 != 0:
		i, n, err := readInteger(p, 7)
		if err != nil {
			return 0, err
		}
		if !d.at(i) {
			return 0, errBlockIndex
		}
		return n, d.give()
	case b&0xc0 == 0x40:
		return d.literal(p, 6, true)
	case b&0xe0 == 0x20:
		return d.resize(p)
	}
	return d.literal(p, 4, false)
}

// at makes the field of an index the one at hand.
func (d *decoder) at(i uint64) bool {
	switch {
	case i == 0:
		return false
	case i <= uint64(len(staticFields)):
		d.f = staticFields[i-1]
		return true
	case i > uint64(len(staticFields)+d.table.len()):
		return false
	}
	t := d.table.field(int(i) - len(staticFields))
	d.f = field{name: d.table.name(t), value: d.table.value(t), kind: t.kind, valid: t.valid}
	return true
}

func (d *decoder) give() error {
	if len(d.f.name) > d.maxString || len(d.f.value) > d.maxString {
		return errBlockString
	}
	d.emit(&d.f)
	return nil
}

func (d *decoder) literal(p []byte, prefix uint, indexed bool) (int, error) {
	i, n, err := readInteger(p, prefix)
	if err != nil {
		return 0, err
	}
	var name, value codedString
	if i == 0 {
		d.f = field{}
		if name, n, err = d.string(p, n); err != nil {
			return 0, err
		}
	} else if !d.at(i) {
		return 0, errBlockIndex
	}
	if value, n, err = d.string(p, n); err != nil {
		return 0, err
	}
	f := &d.f
	if i == 0 {
		if f.name, err = d.text(0, name); err != nil {
			return 0, err
		}
		f.kind = kindOf(f.name)
	}
	if f.value, err = d.text(1, value); err != nil {
		return 0, err
	}
	f.valid = validValue(f.value) && (f.static || f.kind.pseudo() || validName(f.name))
	if err := d.give(); err != nil {
		return 0, err
	}
	if indexed {
		d.table.add(f.name, f.value, f.kind, f.valid)
	}
	return n, nil
}

// resize takes a change of the table's size, which stands at a block's beginning
// (RFC 7541 section 4.2).
func (d *decoder) resize(p []byte) (int, error) {
	if d.begun && d.table.size > 0 {
		return 0, errBlockTable
	}
	size, n, err := readInteger(p, 5)
	if err != nil {
		return 0, err
	}
	if size > tableSize {
		return 0, errBlockTable
	}
	d.table.setLimit(uint32(size))
	return n, nil
}

// codedString is a string literal (RFC 7541 section 5.2).
type codedString struct {
	text    []byte
	huffman bool
}

// string finds the string at p[n:] and returns where it ends.
func (d *decoder) string(p []byte, n int) (codedString, int, error) {
	if n == len(p) {
		return codedString{}, 0, errBlockMoreData
	}
	huffman := p[n]&0x80 != 0
	size, m, err := readInteger(p[n:], 7)
	if err != nil {
		return codedString{}, 0, err
	}
	n += m
	if size > uint64(d.maxString) {
		return codedString{}, 0, errBlockString
	}
	if uint64(len(p)-n) < size {
		return codedString{}, 0, errBlockMoreData
	}
	end := n + int(size)
	return codedString{p[n:end], huffman}, end, nil
}

// text is what a string says, in the room of that number if it comes in Huffman's code.
func (d *decoder) text(room int, s codedString) (text []byte, err error) {
	if !s.huffman {
		return s.text, nil
	}
	text = d.texts[room][:0]
	if cap(text) > minMaxFrame {
		text = nil
	}
	text, err = appendDecoded(text, s.text)
	d.texts[room] = text
	return text, err
}

// readInteger reads an integer with a prefix of so many bits (RFC 7541 section 5.1)
// and returns its length.
func readInteger(p []byte, prefix uint) (v uint64, n int, err error) {
	most := uint64(1)<<prefix - 1
	if v = uint64(p[0]) & most; v < most {
		return v, 1, nil
	}
	for shift := uint(0); ; shift += 7 {
		if shift >= maxShift {
			return 0, 0, errBlockInteger
		}
		if n++; n == len(p) {
			return 0, 0, errBlockMoreData
		}
		b := p[n]
		v += uint64(b&0x7f) << shift
		if b&0x80 == 0 {
			return v, n + 1, nil
		}
	}
}

// maxShift bounds the length of an integer.
const maxShift = 63
