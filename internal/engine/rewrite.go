package engine

import (
	"bytes"
	"errors"
	"regexp"

	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/crossgate/crossgate/internal/header"
)

// pathRewrite is prefix_rewrite or regex_rewrite of a route or redirect; the
// zero value changes nothing.
type pathRewrite struct {
	prefix       []byte // replaces what the route matched; nil: no prefix rewrite
	re           *regexp.Regexp
	substitution []byte // in the syntax of package regexp
}

func (r *pathRewrite) setRegex(m *matcherv3.RegexMatchAndSubstitute) error {
	re, err := regexp.Compile(m.GetPattern().GetRegex())
	if err != nil {
		return err
	}
	if hasControl(m.GetSubstitution()) {
		return errors.New("control characters in the substitution")
	}
	r.re, r.substitution = re, substitution(m.GetSubstitution())
	if groups(m.GetSubstitution()) > re.NumSubexp() {
		r.re = never // RE2 replaces nothing where a group is named that there is not
	}
	return nil
}

// never matches nothing.
var never = regexp.MustCompile(`[^\x00-\x{10FFFF}]`)

// groups is the highest number of a group in a substitution.
func groups(s string) int {
	n := 0
	for i := 0; i+1 < len(s); i++ {
		if s[i] == '\\' {
			if i++; '0' <= s[i] && s[i] <= '9' {
				n = max(n, int(s[i]-'0'))
			}
		}
	}
	return n
}

func (r *pathRewrite) none() bool { return r.prefix == nil && r.re == nil }

// append writes the rewritten path, which has no query, for a route with the
// match m.
func (r *pathRewrite) append(dst, path []byte, m *routeMatch) []byte {
	switch {
	case r.prefix != nil && m.kind == pathRegex:
		return append(dst, r.prefix...)
	case r.prefix != nil:
		dst = append(dst, r.prefix...)
		return append(dst, path[min(len(m.path), len(path)):]...)
	case r.re != nil:
		return r.replaceAll(dst, path)
	}
	return append(dst, path...)
}

// replaceAll replaces every match, as RE2's GlobalReplace does.
func (r *pathRewrite) replaceAll(dst, path []byte) []byte {
	return append(dst, r.re.ReplaceAll(path, r.substitution)...)
}

// substitution turns RE2's \1 into the syntax of package regexp.
func substitution(s string) []byte {
	var b bytes.Buffer
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			if '0' <= s[i] && s[i] <= '9' {
				b.WriteString("${" + s[i:i+1] + "}")
			} else {
				b.WriteByte(s[i])
			}
		case s[i] == '$':
			b.WriteString("$$")
		default:
			b.WriteByte(s[i])
		}
	}
	return b.Bytes()
}

// hostRewrite changes the authority that the service sees.
type hostRewrite struct {
	literal      []byte
	header       string
	re           *regexp.Regexp
	substitution []byte
	forwarded    bool // append_x_forwarded_host
}

var (
	hOriginalPath = []byte("x-envoy-original-path")
	hOriginalHost = []byte("x-envoy-original-host")
)

// rewriteRequest applies the route's rewrites to path and authority; what they
// were is told in headers.
func (s *stream) rewriteRequest() {
	h := &s.req.Headers
	s.rewriteHost(h)
	s.rewritePath(&s.route.rewrite)
}

// rewritePath applies a rewrite to the path; what it was is told in a header.
func (s *stream) rewritePath(r *pathRewrite) {
	h := &s.req.Headers
	if !r.none() {
		path, query, hasQuery := bytes.Cut(s.path, []byte("?"))
		b := r.append(s.arena.Start(), path, &s.route.match)
		if len(b) == 0 {
			return // Envoy rewrites nothing to no path
		}
		if hasQuery {
			b = append(append(b, '?'), query...)
		}
		if !s.manager.suppressEnvoy {
			h.Set(hOriginalPath, s.path)
		}
		s.path = s.arena.Done(b)
	}
}

func (s *stream) rewriteHost(h *header.List) {
	r := &s.route.host
	var host []byte
	switch {
	case r.literal != nil:
		host = r.literal
	case r.header != "":
		host, _ = h.Get(r.header)
	case r.re != nil:
		path, _, _ := bytes.Cut(s.path, []byte("?"))
		host = r.re.ReplaceAll(path, r.substitution)
	}
	if len(host) == 0 || bytes.Equal(host, s.authority) {
		return
	}
	if !s.manager.suppressEnvoy {
		h.Set(hOriginalHost, s.authority)
	}
	if r.forwarded {
		s.appendTo(h, hForwardedHost, ",", s.authority)
	}
	s.authority = host
}
