package engine

import (
	"bytes"
	"slices"

	"github.com/crossgate/crossgate/internal/header"
)

// normalizePath follows RFC 3986 as Envoy's normalize_path does: escapes of
// unreserved characters are decoded, dot segments resolved, back slashes turned,
// characters that may not stand in a path escaped. It reports false for a path
// that cannot be normalized (a NUL, escaped or not). The query is left alone.
func normalizePath(a *header.Arena, target []byte) ([]byte, bool) {
	path, query, hasQuery := bytes.Cut(target, []byte("?"))
	if isNormal(path) {
		return target, true
	}
	out := a.Start()
	for i := 0; i < len(path); i++ {
		c := path[i]
		switch {
		case c == 0:
			return nil, false
		case c == '\\':
			out = append(out, '/')
		case c == '%' && i+2 < len(path) && isHex(path[i+1]) && isHex(path[i+2]):
			v := unhex(path[i+1])<<4 | unhex(path[i+2])
			if v == 0 {
				return nil, false
			}
			if unreserved(v) {
				out = append(out, v)
			} else {
				out = append(out, path[i:i+3]...)
			}
			i += 2
		case mustEscape(c):
			out = append(out, '%', upperHex[c>>4], upperHex[c&15])
		default:
			out = append(out, c)
		}
	}
	out = resolveDots(out)
	if hasQuery {
		out = append(append(out, '?'), query...)
	}
	return a.Done(out), true
}

const upperHex = "0123456789ABCDEF"

// isNormal reports whether nothing has to be done, the usual case.
func isNormal(path []byte) bool {
	for i, c := range path {
		if c == '%' || c == '\\' || mustEscape(c) {
			return false
		}
		if c == '.' && i > 0 && path[i-1] == '/' {
			return false
		}
	}
	return true
}

// resolveDots resolves "." and ".." segments in place. Empty segments stay.
func resolveDots(p []byte) []byte {
	out := p[:0]
	for i := 0; i < len(p); {
		// p[i] is a slash: take it with the segment after it.
		end := i + 1
		for end < len(p) && p[end] != '/' {
			end++
		}
		switch seg := string(p[i+1 : end]); {
		case seg == ".":
			if end == len(p) {
				out = append(out, '/')
			}
		case seg == "..":
			out = out[:max(0, bytes.LastIndexByte(out, '/'))]
			if end == len(p) {
				out = append(out, '/')
			}
		default:
			out = append(out, p[i:end]...)
		}
		i = end
	}
	if len(out) == 0 {
		out = append(out, '/')
	}
	return out
}

// mergeSlashes makes one slash of several.
func mergeSlashes(a *header.Arena, target []byte) []byte {
	path, query, hasQuery := bytes.Cut(target, []byte("?"))
	if !bytes.Contains(path, []byte("//")) {
		return target
	}
	out := a.Start()
	for i, c := range path {
		if c == '/' && i > 0 && path[i-1] == '/' {
			continue
		}
		out = append(out, c)
	}
	if len(out) == 1 {
		// Envoy keeps the first slash and the last one, where nothing is between
		// them too.
		out = append(out, '/')
	}
	if hasQuery {
		out = append(append(out, '?'), query...)
	}
	return a.Done(out)
}

// hasEscapedSlash reports whether the path holds %2F or %5C.
func hasEscapedSlash(target []byte) bool {
	path, _, _ := bytes.Cut(target, []byte("?"))
	for i := 0; i+2 < len(path); i++ {
		if path[i] == '%' && isSlashEscape(path[i+1], path[i+2]) {
			return true
		}
	}
	return false
}

func isSlashEscape(a, b byte) bool {
	return a == '2' && (b == 'f' || b == 'F') || a == '5' && (b == 'c' || b == 'C')
}

// unescapeSlashes turns %2F and %5C into what they stand for.
func unescapeSlashes(a *header.Arena, target []byte) []byte {
	path, query, hasQuery := bytes.Cut(target, []byte("?"))
	out := a.Start()
	for i := 0; i < len(path); i++ {
		if path[i] == '%' && i+2 < len(path) && isSlashEscape(path[i+1], path[i+2]) {
			out = append(out, unhex(path[i+1])<<4|unhex(path[i+2]))
			i += 2
			continue
		}
		out = append(out, path[i])
	}
	if hasQuery {
		out = append(append(out, '?'), query...)
	}
	return a.Done(slices.Clip(out))
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}

// unreserved is RFC 3986 section 2.3.
func unreserved(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

// mustEscape says which characters Envoy escapes in a path.
func mustEscape(c byte) bool {
	switch c {
	case '"', '<', '>', '`', '{', '}', '|', '^', ' ':
		return true
	}
	return c < ' ' || c >= 0x7f
}
