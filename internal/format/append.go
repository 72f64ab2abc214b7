package format

import (
	"bytes"
	"net/netip"
	"strconv"
)

// appendPrefix turns the address that stands from n into that of its network:
// 127.0.0.0/8. What is no address stays.
func appendPrefix(dst []byte, n, bits int) []byte {
	addr, err := netip.ParseAddr(string(dst[n:]))
	if err != nil {
		return dst
	}
	p, err := addr.Prefix(min(bits, addr.BitLen()))
	if err != nil {
		return dst
	}
	return p.AppendTo(dst[:n])
}

// appendParam appends the first parameter of the query with the name, decoded.
func appendParam(dst []byte, s Source, name string) ([]byte, bool) {
	path, _ := s.RequestHeader(":path")
	_, query, _ := bytes.Cut(path, question)
	query, _, _ = bytes.Cut(query, hash)
	for len(query) > 0 {
		var one []byte
		one, query, _ = bytes.Cut(query, ampersand)
		if k, v, _ := bytes.Cut(one, equals); string(k) == name {
			return appendDecoded(dst, v), true
		}
	}
	return dst, false
}

var (
	question  = []byte("?")
	hash      = []byte("#")
	ampersand = []byte("&")
	equals    = []byte("=")
)

// appendDecoded appends a text without its percent signs; one that stands for
// nothing stays.
func appendDecoded(dst, v []byte) []byte {
	for i := 0; i < len(v); i++ {
		if v[i] == '%' && i+2 < len(v) {
			if n, err := strconv.ParseUint(string(v[i+1:i+3]), 16, 8); err == nil {
				dst = append(dst, byte(n))
				i += 2
				continue
			}
		}
		dst = append(dst, v[i])
	}
	return dst
}
