package format

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// clientCertKeys are what x-forwarded-client-cert may tell of a certificate.
var clientCertKeys = []string{"by", "hash", "cert", "chain", "subject", "uri", "dns"}

// clientCertOperator reads %XFCC_VALUE(KEY)%: what the request's
// x-forwarded-client-cert says under the key.
func clientCertOperator(argument string) (part, error) {
	key := strings.ToLower(argument)
	if !slices.Contains(clientCertKeys, key) {
		return part{}, fmt.Errorf("%%XFCC_VALUE(%s)%%: want one of %s", argument, strings.Join(clientCertKeys, ", "))
	}
	return part{kind: kindClientCert, name: key}, nil
}

// appendClientCert appends the value of the first element of the header that has the
// key: that of the proxy which has seen the client first.
func appendClientCert(dst []byte, s Source, key string) ([]byte, bool) {
	v, _ := s.RequestHeader("x-forwarded-client-cert")
	for len(v) > 0 {
		element, rest, ok := cutOutside(v, ',')
		if !ok {
			return dst, false
		}
		for len(element) > 0 {
			var pair []byte
			pair, element, _ = cutOutside(element, ';')
			name, value, _ := bytes.Cut(pair, equals)
			if name = bytes.TrimSpace(name); len(name) == len(key) && strings.EqualFold(string(name), key) {
				return appendUnquoted(dst, bytes.TrimSpace(value)), true
			}
		}
		v = rest
	}
	return dst, false
}

// cutOutside cuts a text at the first separator that is not in quotes; false if a
// quote is not closed before.
func cutOutside(v []byte, separator byte) (before, after []byte, ok bool) {
	quoted, escaped := false, false
	for i, c := range v {
		switch {
		case c == '"' && !escaped:
			quoted = !quoted
		case c == separator && !quoted:
			return v[:i], v[i+1:], true
		}
		escaped = c == '\\' && !escaped
	}
	return v, nil, !quoted
}

// appendUnquoted appends a value without its quotes and the backslashes before
// quotes and backslashes.
func appendUnquoted(dst, v []byte) []byte {
	if n := len(v); n > 1 && v[0] == '"' && v[n-1] == '"' {
		v = v[1 : n-1]
	}
	for i := 0; i < len(v); i++ {
		if v[i] == '\\' && i+1 < len(v) && (v[i+1] == '"' || v[i+1] == '\\') {
			i++
		}
		dst = append(dst, v[i])
	}
	return dst
}
