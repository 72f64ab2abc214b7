package http1

import (
	"encoding/binary"
	"math/bits"
)

// lowerToken maps the bytes of a token (RFC 9110, 5.6.2) to lower case and all
// others to 0.
var lowerToken = func() (t [256]byte) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") {
		t[c] = c
	}
	for c := byte('A'); c <= 'Z'; c++ {
		t[c] = c + 'a' - 'A'
	}
	return t
}()

// Classes of bytes, bits of class.
const (
	isTarget    = 1 << iota // path and query: visible ASCII
	isAuthority             // a Host field's value, and a URL's authority before it is taken apart
	isHostName              // a host name or IPv4 address in a URL
	isControl               // never allowed in a head; tab, CR and LF are not among them
	isSpace                 // separates the parts of a request line and surrounds values
)

var class = func() (t [256]uint8) {
	set := func(bit uint8, bytes string) {
		for i := range len(bytes) {
			t[bytes[i]] |= bit
		}
	}
	const alnum = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for c := 0x21; c <= 0x7e; c++ {
		t[c] |= isTarget
	}
	set(isAuthority, alnum+"!$%&'()*+,-.:;=@[]_~")
	set(isHostName, alnum+"-.")
	for c := range 0x20 {
		t[c] |= isControl
	}
	t[0x7f] |= isControl
	for _, c := range []byte("\t\r\n") {
		t[c] = isSpace
	}
	t[' '] |= isSpace
	return t
}()

// all reports whether every byte of b has the class.
func all(b []byte, bit uint8) bool {
	for _, c := range b {
		if class[c]&bit == 0 {
			return false
		}
	}
	return true
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plainRun returns how many bytes at the beginning of b are neither below 0x20
// nor 0x7f. It looks at eight bytes at a time: almost every value ends where its
// run does, at the CR, and needs no second look.
func plainRun(b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		v := binary.LittleEndian.Uint64(b[i:])
		del := v ^ 0x7f*ones
		// A byte below n (n <= 0x80) borrows into its high bit; a borrow that
		// runs on into the next byte can only follow a true hit.
		if hits := ((v-0x20*ones)&^v | (del-ones)&^del) & highs; hits != 0 {
			return i + bits.TrailingZeros64(hits)/8
		}
	}
	for i < len(b) && b[i] >= 0x20 && b[i] != 0x7f {
		i++
	}
	return i
}

// hasControl reports whether b holds a byte that no head may hold.
func hasControl(b []byte) bool {
	for _, c := range b {
		if class[c]&isControl != 0 {
			return true
		}
	}
	return false
}

// trim cuts blanks, tabs and line ends from both ends of b.
func trim(b []byte) []byte {
	for len(b) > 0 && class[b[0]]&isSpace != 0 {
		b = b[1:]
	}
	for len(b) > 0 && class[b[len(b)-1]]&isSpace != 0 {
		b = b[:len(b)-1]
	}
	return b
}

// equalFold reports whether b is the lower-case s, in any case.
func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != s[i] {
			return false
		}
	}
	return true
}

// hasToken reports whether the comma-separated list names the lower-case token,
// in any case.
func hasToken(list []byte, token string) bool {
	for len(list) > 0 {
		end := 0
		for end < len(list) && list[end] != ',' {
			end++
		}
		if equalFold(trim(list[:end]), token) {
			return true
		}
		list = list[min(end+1, len(list)):]
	}
	return false
}
