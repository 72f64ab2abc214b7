package check

import (
	"regexp"
	"strings"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/origin"
)

// escapeDots escapes the dots of an expression that stand alone.
func escapeDots(text string) string {
	if strings.Contains(text, `\Q`) {
		return text
	}
	var b strings.Builder
	class := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && i+1 < len(text):
			b.WriteByte(c)
			i++
			c = text[i]
		case class:
			class = c != ']' || strings.HasSuffix(text[:i], "[") || strings.HasSuffix(text[:i], "[^")
		case c == '[':
			class = true
		case c == '.' && !strings.ContainsAny(text[i+1:min(i+2, len(text))], "*+?{"):
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}

// safe returns a pattern for what was meant, where that is certain: it is let in by
// the old one, a browser can send it, and nothing else comes in.
func (s *shared) safe(p origin.Pattern, v *verdict) patternKey {
	for _, k := range repairs(p, v) {
		fixed, err := origin.Compile(k.kind, k.text, false)
		if err != nil || fixed.Star() {
			continue
		}
		witnesses, err := s.finder.Witnesses(fixed)
		if err != nil || len(witnesses) > 0 {
			continue
		}
		if ok, err := s.finder.Reachable(fixed); err != nil || !ok {
			continue
		}
		if v.reachable && !s.narrower(fixed, p) {
			continue
		}
		return k
	}
	return patternKey{}
}

// narrower reports whether all that fixed matches, old does.
func (s *shared) narrower(fixed, old origin.Pattern) bool {
	a, err := fixed.Language()
	if err != nil {
		return false
	}
	b, err := old.Language()
	if err != nil {
		return false
	}
	// An optional port is meant where the host is.
	ok, err := origin.Subset(a, b)
	return err == nil && ok
}

// repairs are the patterns to try.
func repairs(p origin.Pattern, v *verdict) []patternKey {
	switch {
	case !v.reachable:
		return reachableForms(p)
	case p.Kind == origin.Prefix && len(v.witnesses) > 0:
		o, ok := origin.Parse(p.Text)
		switch {
		case !ok || o.Port != 0:
		case o.Loopback():
			return []patternKey{{origin.Regex, regexp.QuoteMeta(p.Text) + `(:[0-9]+)?`}}
		case !o.Private() && p.Intent().Sites != nil:
			return []patternKey{{origin.Exact, p.Text}}
		}
	case p.Kind == origin.Regex && len(v.witnesses)+len(v.dots) > 0:
		return closedForms(p.Text)
	}
	return nil
}

var (
	openTail = regexp.MustCompile(`([a-z)])\.[*+]\??(\$?)$`)
	openHead = regexp.MustCompile(`^(\^?https?\??://)\.[*+]\??([a-z0-9])`)
)

// closedForms closes an expression: lone dots, an open tail, an open head.
func closedForms(text string) []patternKey {
	dots := escapeDots(text)
	tail := openTail.ReplaceAllString(dots, "$1$2")
	head := openHead.ReplaceAllString(tail, `$1([a-z0-9-]+\.)*$2`)
	var out []patternKey
	for _, t := range []string{dots, tail, head} {
		if t != text {
			out = append(out, patternKey{origin.Regex, t})
		}
	}
	return out
}

// reachableForms are what was meant by an origin that no browser sends.
func reachableForms(p origin.Pattern) []patternKey {
	if p.Kind == origin.Regex {
		return nil
	}
	text := strings.ToLower(strings.TrimRight(p.Text, "/"))
	if scheme, host, ok := strings.Cut(text, "://*."); ok && p.Kind == origin.Exact {
		if origin.PublicSuffix(host) {
			return nil
		}
		return []patternKey{{origin.Regex, scheme + `://[a-z0-9-]+\.` + regexp.QuoteMeta(host)}}
	}
	scheme, host, _ := strings.Cut(text, "://")
	host, _, _ = strings.Cut(host, "/")
	if scheme == "https" {
		host = strings.TrimSuffix(host, ":443")
	} else {
		host = strings.TrimSuffix(host, ":80")
	}
	return []patternKey{{origin.Exact, scheme + "://" + host}}
}

// fix is the change that writes the safe pattern.
func (m *matcher) fix() *diag.Fix {
	if m.safe == (patternKey{}) {
		return nil
	}
	f := &diag.Fix{Old: m.Text, New: m.safe.text}
	if m.safe.kind != m.Kind {
		f.Key = kindName(m.safe.kind)
		if strings.Contains(m.path, "allowOrigin[") {
			return nil // The old list has exact origins only.
		}
	}
	return f
}

// advice says what the safe pattern is.
func (m *matcher) advice() string {
	if m.safe == (patternKey{}) {
		return ""
	}
	return ". Write " + kindName(m.safe.kind) + ": " + m.safe.text
}

func kindName(k origin.Kind) string {
	return map[origin.Kind]string{origin.Exact: "exact", origin.Prefix: "prefix", origin.Regex: "regex"}[k]
}
