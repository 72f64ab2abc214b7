package engine

import "bytes"

// validReferer follows Envoy, which drops a referer that is neither an absolute URL
// without fragment and user information, nor a relative reference without a fragment
// (RFC 9110 section 10.1.3).
func validReferer(v []byte) bool {
	if i := bytes.Index(v, []byte("://")); i > 0 && isScheme(v[:i]) {
		host, path := v[i+3:], []byte(nil)
		if j := bytes.IndexAny(host, "/?#"); j >= 0 {
			host, path = host[:j], host[j:]
		}
		return len(host) > 0 && bytes.IndexByte(host, '@') < 0 && inReference(host) && inReference(path)
	}
	slash := bytes.IndexByte(v, '/')
	if colon := bytes.IndexByte(v, ':'); colon >= 0 && (slash < 0 || colon < slash) {
		return false // the first segment of a path would be a scheme
	}
	return inReference(v)
}

func isScheme(b []byte) bool {
	for i, c := range b {
		if letter := 'a' <= c|0x20 && c|0x20 <= 'z'; !letter && (i == 0 || !('0' <= c && c <= '9') && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return true
}

// inReference reports whether all of b may stand in a path or query (RFC 3986
// section 3.3 and 3.4), or in an IPv6 address.
func inReference(b []byte) bool {
	for _, c := range b {
		if !unreserved(c) && bytes.IndexByte([]byte("%!$&'()*+,;=:@/?[]"), c) < 0 {
			return false
		}
	}
	return true
}
