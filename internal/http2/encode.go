package http2

import (
	"bytes"
	"hash/maphash"
)

// encoder writes header blocks (HPACK, RFC 7541). It allocates nothing once its tables
// have their sizes.
type encoder struct {
	table   table
	resized bool // the other side is to be told the table's size
	seed    maphash.Seed
	// slots find the fields of the table by the hash of name and value, and of the
	// name alone: the count of those added when the field was, 0 for none. What is
	// found may have gone, or be another one.
	slots [tableSlots]uint32
	// lasts are the counts of the fields that were sent last at each place of a block:
	// most answers of a connection are like the one before.
	lasts [16]uint32
	found uint32 // the count of the field that was written last as an index, or is one now
}

const (
	tableSlots = 512 // four for each field that the table can have
	slotProbes = 4
)

func (e *encoder) init() {
	e.table.limit = tableSize
	e.seed = maphash.MakeSeed()
}

// setLimit takes the size that the other side allows. It never grows again.
func (e *encoder) setLimit(n uint32) {
	if n < e.table.limit {
		e.table.setLimit(n)
		e.resized = true
	}
}

// begin begins a block.
func (e *encoder) begin(dst []byte) []byte {
	if e.resized {
		e.resized = false
		dst = appendInteger(dst, 0x20, 5, uint64(e.table.limit))
	}
	return dst
}

// How a field is written.
const (
	indexNever   = 0x10
	indexWithout = 0x00
	indexAdd     = 0x40
)

// field appends a field.
func (e *encoder) field(dst, name, value []byte) []byte {
	how := indexing(name, value)
	static := staticName(name)
	if how != indexAdd {
		index := static
		if index == 0 {
			index = e.find(maphash.Bytes(e.seed, name), name, nil, false)
		}
		return appendLiteral(dst, byte(how), 4, index, name, value)
	}
	if static > 0 && static < statusIndex && staticTable[static-1][1] == string(value) {
		return appendInteger(dst, 0x80, 7, uint64(static))
	}
	byName := maphash.Bytes(e.seed, name)
	both := byName*hashStep ^ maphash.Bytes(e.seed, value)
	if i := e.find(both, name, value, true); i > 0 {
		e.found = e.table.added - uint32(i-len(staticTable)) + 1
		return appendInteger(dst, 0x80, 7, uint64(i))
	}
	index := static
	if index == 0 {
		index = e.find(byName, name, nil, false)
	}
	dst = appendLiteral(dst, indexAdd, 6, index, name, value)
	before := e.table.added
	if e.table.add(name, value, kindPlain, true); e.table.added != before {
		e.note(both)
		e.note(byName)
		e.found = e.table.added
	}
	return dst
}

// next is field for the i-th field of a block.
func (e *encoder) next(dst []byte, i int, name, value []byte) []byte {
	if i >= len(e.lasts) {
		return e.field(dst, name, value)
	}
	if count := e.lasts[i]; count > 0 {
		if back := int(e.table.added-count) + 1; back <= e.table.len() {
			if f := e.table.field(back); bytes.Equal(e.table.name(f), name) && bytes.Equal(e.table.value(f), value) {
				return appendInteger(dst, 0x80, 7, uint64(len(staticTable)+back))
			}
		}
	}
	e.lasts[i], e.found = 0, 0
	dst = e.field(dst, name, value)
	e.lasts[i] = e.found
	return dst
}

// hashStep makes another hash of that of a name.
const hashStep = 0x9e3779b97f4a7c15

// statusIndex is where the fields begin in the static table that no request has.
const statusIndex = 8

// find returns the index of a field of the table, or 0.
func (e *encoder) find(hash uint64, name, value []byte, whole bool) int {
	for i := range uint64(slotProbes) {
		count := e.slots[(hash+i)%tableSlots]
		if count == 0 {
			return 0
		}
		back := int(e.table.added-count) + 1
		if back > e.table.len() {
			continue
		}
		f := e.table.field(back)
		if bytes.Equal(e.table.name(f), name) && (!whole || bytes.Equal(e.table.value(f), value)) {
			return len(staticTable) + back
		}
	}
	return 0
}

// note makes the newest field be found.
func (e *encoder) note(hash uint64) {
	at := hash % tableSlots
	for i := range uint64(slotProbes) {
		count := e.slots[(hash+i)%tableSlots]
		if count == 0 || int(e.table.added-count)+1 > e.table.len() {
			at = (hash + i) % tableSlots
			break
		}
	}
	e.slots[at] = e.table.added
}

// status appends the pseudo field of an answer.
func (e *encoder) status(dst []byte, status int) []byte {
	for i := statusIndex; i <= 14; i++ {
		if t := staticTable[i-1][1]; int(t[0]-'0')*100+int(t[1]-'0')*10+int(t[2]-'0') == status {
			return append(dst, 0x80|byte(i))
		}
	}
	digits := [3]byte{byte('0' + status/100%10), byte('0' + status/10%10), byte('0' + status%10)}
	return appendLiteral(dst, indexWithout, 4, statusIndex, nil, digits[:])
}

// indexing decides how a field is written: secrets never go into tables, also not of
// those who pass them on (RFC 7541 section 7.1), and what is different each time would
// only drive the others out.
func indexing(name, value []byte) int {
	switch string(name) {
	case "authorization", "proxy-authorization":
		return indexNever
	case "cookie":
		if len(value) < shortSecret {
			return indexNever
		}
	case ":path", "age", "content-length", "etag", "if-modified-since", "if-none-match", "location", "set-cookie":
		return indexWithout
	}
	if len(name)+len(value) > tableSize/2 {
		return indexWithout
	}
	return indexAdd
}

// shortSecret is the length below which a cookie could be guessed.
const shortSecret = 20

// appendLiteral appends a literal field; the name only if the index is 0.
func appendLiteral(dst []byte, how byte, prefix uint, index int, name, value []byte) []byte {
	dst = appendInteger(dst, how, prefix, uint64(index))
	if index == 0 {
		dst = appendString(dst, name)
	}
	return appendString(dst, value)
}

// appendInteger appends an integer behind the bits of its first byte (RFC 7541 section
// 5.1).
func appendInteger(dst []byte, first byte, prefix uint, v uint64) []byte {
	most := uint64(1)<<prefix - 1
	if v < most {
		return append(dst, first|byte(v))
	}
	dst = append(dst, first|byte(most))
	for v -= most; v >= 0x80; v >>= 7 {
		dst = append(dst, byte(v)|0x80)
	}
	return append(dst, byte(v))
}

// staticName returns the first index of a name in the static table, or 0.
func staticName(name []byte) int {
	switch string(name) {
	case ":authority":
		return 1
	case ":method":
		return 2
	case ":path":
		return 4
	case ":scheme":
		return 6
	case "accept-charset":
		return 15
	case "accept-encoding":
		return 16
	case "accept-language":
		return 17
	case "accept-ranges":
		return 18
	case "accept":
		return 19
	case "access-control-allow-origin":
		return 20
	case "age":
		return 21
	case "allow":
		return 22
	case "authorization":
		return 23
	case "cache-control":
		return 24
	case "content-disposition":
		return 25
	case "content-encoding":
		return 26
	case "content-language":
		return 27
	case "content-length":
		return 28
	case "content-location":
		return 29
	case "content-range":
		return 30
	case "content-type":
		return 31
	case "cookie":
		return 32
	case "date":
		return 33
	case "etag":
		return 34
	case "expect":
		return 35
	case "expires":
		return 36
	case "from":
		return 37
	case "host":
		return 38
	case "if-match":
		return 39
	case "if-modified-since":
		return 40
	case "if-none-match":
		return 41
	case "if-range":
		return 42
	case "if-unmodified-since":
		return 43
	case "last-modified":
		return 44
	case "link":
		return 45
	case "location":
		return 46
	case "max-forwards":
		return 47
	case "proxy-authenticate":
		return 48
	case "proxy-authorization":
		return 49
	case "range":
		return 50
	case "referer":
		return 51
	case "refresh":
		return 52
	case "retry-after":
		return 53
	case "server":
		return 54
	case "set-cookie":
		return 55
	case "strict-transport-security":
		return 56
	case "transfer-encoding":
		return 57
	case "user-agent":
		return 58
	case "vary":
		return 59
	case "via":
		return 60
	case "www-authenticate":
		return 61
	}
	return 0
}
