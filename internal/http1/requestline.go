package http1

import "bytes"

// cutBlank cuts b at its first run of blanks, which all bytes below them are, too.
func cutBlank(b []byte) (before, after []byte) {
	i := 0
	for i < len(b) && b[i] > ' ' {
		i++
	}
	before = b[:i]
	for i < len(b) && b[i] <= ' ' {
		i++
	}
	return before, b[i:]
}

// trimEnd cuts what cutBlank takes for blanks from the end of b.
func trimEnd(b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] <= ' ' {
		b = b[:len(b)-1]
	}
	return b
}

// parseRequestLine takes the first line apart and checks what can be checked
// without the fields. The line includes its end. Control characters between its parts
// it notes only: Envoy refuses them when the whole head is there.
func (r *Request) parseRequestLine(line []byte, o *Options) *Error {
	if err := r.splitRequestLine(line, o); err != nil {
		if hasControl(line) {
			return errControl
		}
		return err
	}
	return nil
}

func (r *Request) splitRequestLine(line []byte, o *Options) *Error {
	method, rest := cutBlank(line)
	target, version := cutBlank(rest)
	version = trimEnd(version)
	if plain := len(method) + 1 + len(target) + 1 + len(version) + len("\r\n"); plain != len(line) || hasControl(line[plain-2:]) ||
		line[len(method)] != ' ' || line[len(method)+1+len(target)] != ' ' {
		r.scan.control = hasControl(line)
	}
	if len(target) == 0 {
		return errRequestLine
	}
	if !knownMethod(method) && !(o.AllowCustomMethods && isToken(method)) {
		return errMethod
	}
	r.Method = method
	if err := checkTarget(target, len(method) == 7 && string(method) == "CONNECT"); err != nil {
		return err
	}
	r.Target = target
	switch {
	case len(version) == 0:
		// HTTP/0.9: no fields follow. Envoy takes the version from the line's
		// end all the same, so that "GET /xHTTP/1.1" is 1.1 without a host.
		r.scan.headless = true
		r.Minor = 0
		if bytes.HasSuffix(bytes.TrimRight(line, "\r\n"), http11) {
			r.Minor = 1
		}
	case !isVersion(version):
		return errVersion
	case string(version) == "HTTP/1.1":
		r.Minor = 1
	default:
		r.Minor = 0 // Envoy treats every other version as 1.0
	}
	return nil
}

// isVersion reports whether v is "HTTP/" DIGIT "." DIGIT.
func isVersion(v []byte) bool {
	return len(v) == 8 && string(v[:5]) == "HTTP/" && isDigit(v[5]) && v[6] == '.' && isDigit(v[7])
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isAlpha(c byte) bool { c |= 0x20; return 'a' <= c && c <= 'z' }

// checkTarget is the first of two looks at the target: at its bytes. It accepts
// paths, "*" with anything after it, URLs, and for CONNECT what has no scheme.
func checkTarget(target []byte, connect bool) *Error {
	if target[0] == '/' || target[0] == '*' {
		if !all(target, isTarget) {
			return errTarget
		}
		return nil
	}
	if !connect {
		_, rest, ok := cutScheme(target)
		if !ok {
			return errTarget
		}
		target = rest
	}
	host, path := cutAuthority(target)
	if !all(host, isAuthority) || !all(path, isTarget) || bytes.Contains(host, []byte("@@")) {
		return errTarget
	}
	return nil
}

// cutScheme cuts "scheme://" from the beginning of a URL.
func cutScheme(url []byte) (scheme, rest []byte, ok bool) {
	i := 0
	for i < len(url) && (isAlpha(url[i]) || i > 0 && (isDigit(url[i]) || url[i] == '+' || url[i] == '-' || url[i] == '.')) {
		i++
	}
	if i == 0 || len(url)-i < 3 || string(url[i:i+3]) != "://" {
		return nil, nil, false
	}
	return url[:i], url[i+3:], true
}

// cutAuthority cuts a URL without scheme before its path or query.
func cutAuthority(url []byte) (authority, path []byte) {
	i := 0
	for i < len(url) && url[i] != '/' && url[i] != '?' {
		i++
	}
	return url[:i], url[i:]
}

// resolveTarget is the second look, after the fields: it reduces absolute-form
// and CONNECT targets and says whether they name the authority.
func (r *Request) resolveTarget(o *Options) (named bool, err *Error) {
	connect := string(r.Method) == "CONNECT"
	if !connect && (r.Target[0] == '/' || o.RefuseAbsoluteURL) {
		return false, nil
	}
	if r.Target[0] == '*' && string(r.Method) == "OPTIONS" {
		return false, nil
	}
	rest := r.Target
	if !connect {
		var ok bool
		if r.Scheme, rest, ok = cutScheme(r.Target); !ok {
			return false, errURL
		}
	}
	authority, path := cutAuthority(rest)
	if i := bytes.IndexByte(authority, '@'); i >= 0 && !connect {
		authority = authority[i+1:] // user information is dropped
	}
	if !isHostPort(authority, connect) || connect && len(path) > 0 {
		return false, errURL
	}
	if !connect && !equalFold(r.Scheme, "http") && !equalFold(r.Scheme, "https") {
		return false, errScheme
	}
	if len(path) == 0 && !connect {
		path = rootPath
	}
	r.Authority, r.Target = authority, path
	return true, nil
}

var (
	rootPath = []byte("/")
	http11   = []byte("HTTP/1.1")
)

// isHostPort reports whether b is a host, or an IPv6 address in brackets, with a
// port of up to 65535, which must be there for CONNECT.
func isHostPort(b []byte, portNeeded bool) bool {
	end := 0
	if len(b) > 0 && b[0] == '[' {
		end = bytes.IndexByte(b, ']') + 1
		if end < 3 || !isIPv6(b[1:end-1]) {
			return false
		}
	} else {
		for end < len(b) && class[b[end]]&isHostName != 0 {
			end++
		}
	}
	if end == 0 {
		return false
	}
	if end == len(b) {
		return !portNeeded
	}
	port, ok := parseDecimal(b[end+1:])
	return b[end] == ':' && ok && port <= 65535
}

// isIPv6 accepts the bytes of an IPv6 address, as Envoy does; it need not be one.
func isIPv6(b []byte) bool {
	for _, c := range b {
		if !isDigit(c) && c != ':' && c != '.' && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return true
}
