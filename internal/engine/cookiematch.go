package engine

import (
	"bytes"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/crossgate/crossgate/internal/header"
)

// cookieMatch is a compiled CookieMatcher.
type cookieMatch struct {
	name   string
	value  stringMatch
	invert bool
}

func compileCookieMatch(c *routev3.CookieMatcher) (cookieMatch, error) {
	v, err := compileString(c.GetStringMatch())
	return cookieMatch{name: c.GetName(), value: v, invert: c.GetInvertMatch()}, err
}

// matches looks at the first cookie with the name. A request without it does not
// match, and that is what invert_match turns round.
func (m *cookieMatch) matches(h *header.List) bool {
	v, ok := cookie(h, m.name)
	return (ok && m.value.match(v)) != m.invert
}

// cookie returns the value of the first cookie with the name as Envoy's parser
// finds it: only blanks before a name are passed over, and only a pair of quotes
// around the whole value is taken away.
func cookie(h *header.List, name string) ([]byte, bool) {
	for i := range h.Fields {
		if string(h.Fields[i].Name) != "cookie" {
			continue
		}
		for rest := h.Fields[i].Value; len(rest) > 0; {
			var pair []byte
			pair, rest, _ = bytes.Cut(rest, []byte(";"))
			key, value, ok := bytes.Cut(pair, []byte("="))
			if !ok || string(bytes.TrimLeft(key, " ")) != name {
				continue
			}
			if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
				value = value[1 : n-1]
			}
			return value, true
		}
	}
	return nil, false
}
