package engine

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	uritemplatev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/path/match/uri_template/v3"
)

// compilePathPolicy compiles RouteMatch.path_match_policy, of which Envoy has one
// kind: a template of a path.
func compilePathPolicy(x *corev3.TypedExtensionConfig) (*regexp.Regexp, error) {
	cfg := &uritemplatev3.UriTemplateMatchConfig{}
	if !x.GetTypedConfig().MessageIs(cfg) {
		return nil, fmt.Errorf("%s is not supported", x.GetTypedConfig().GetTypeUrl())
	}
	if err := x.GetTypedConfig().UnmarshalTo(cfg); err != nil {
		return nil, err
	}
	re, err := compileTemplate(cfg.GetPathTemplate())
	if err != nil {
		return nil, fmt.Errorf("path_template %q: %w", cfg.GetPathTemplate(), err)
	}
	return re, nil
}

// Limits of a template (uri_template_match.proto, and Envoy's own).
const (
	maxTemplate     = 256
	maxTemplateVars = 5
	maxTemplateName = 16
)

// The texts that * and ** stand for: what may stand in a path's segment (RFC 3986,
// pchar), and that with slashes, or nothing.
const (
	segmentGlob = `[a-zA-Z0-9\-._~%!$&'()*+,;:@=]+`
	textGlob    = `[a-zA-Z0-9\-._~%!$&'()*+,;:@=/]*`
)

// template is a template on its way to a regular expression.
type template struct {
	expr  strings.Builder
	names []string // of its variables
	text  bool     // ** has come, after which no other glob may
}

// compileTemplate compiles a template as Envoy 1.40 reads it: segments that are a
// literal, *, ** or a variable {name} or {name=pattern}; a variable may have a
// literal before and after it, the globs after them. Envoy does not escape a * in
// the middle of a literal, so there it repeats the character before.
func compileTemplate(text string) (*regexp.Regexp, error) {
	if text == "" || len(text) > maxTemplate {
		return nil, fmt.Errorf("not of 1 to %d bytes", maxTemplate)
	}
	if text[0] != '/' || strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return nil, errors.New("not a path of printable characters")
	}
	t := &template{}
	for rest := text; rest != ""; {
		t.expr.WriteByte('/')
		if rest = rest[1:]; rest == "" {
			break // a slash at the end
		}
		var err error
		if rest, err = t.segment(rest); err != nil {
			return nil, err
		}
	}
	return regexp.Compile(`\A(?:` + t.expr.String() + `)\z`)
}

// segment takes one segment and returns what follows it: nothing, or a slash and
// more.
func (t *template) segment(s string) (rest string, err error) {
	end := strings.IndexByte(s, '/')
	if open := strings.IndexByte(s, '{'); open >= 0 && (end < 0 || open < end) && s[0] != '*' {
		if err := t.literal(s[:open], true); err != nil {
			return "", err
		}
		if s, err = t.variable(s[open+1:]); err != nil {
			return "", err
		}
		return t.suffix(s)
	}
	if s[0] == '*' {
		if s, err = t.glob(s); err != nil {
			return "", err
		}
		return t.suffix(s)
	}
	if end < 0 {
		end = len(s)
	}
	return s[end:], t.literal(s[:end], false)
}

// suffix takes the literal behind a glob or a variable, if there is one.
func (t *template) suffix(s string) (string, error) {
	end := strings.IndexByte(s, '/')
	if end < 0 {
		end = len(s)
	}
	return s[end:], t.literal(s[:end], true)
}

func (t *template) literal(s string, mayBeEmpty bool) error {
	if s == "" && !mayBeEmpty {
		return errors.New("an empty segment")
	}
	if strings.ContainsFunc(s, func(c rune) bool { return !strings.ContainsRune(templateLiteral, c) }) {
		return fmt.Errorf("%q is no literal", s)
	}
	t.expr.WriteString(templateEscaper.Replace(s))
	return nil
}

const templateLiteral = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%!$&'()*+,;:@="

var templateEscaper = strings.NewReplacer("$", `\$`, "(", `\(`, ")", `\)`, "+", `\+`, ".", `\.`)

// glob takes * or **.
func (t *template) glob(s string) (string, error) {
	if t.text {
		return "", errors.New("a glob after **")
	}
	if rest, ok := strings.CutPrefix(s, "**"); ok {
		t.text = true
		t.expr.WriteString(textGlob)
		return rest, nil
	}
	t.expr.WriteString(segmentGlob)
	return s[1:], nil
}

// variable takes name} or name=pattern}.
func (t *template) variable(s string) (string, error) {
	inner, rest, closed := strings.Cut(s, "}")
	if !closed {
		return "", errors.New("a { that is not closed")
	}
	name, pattern, has := strings.Cut(inner, "=")
	if err := t.name(name); err != nil {
		return "", err
	}
	if !has {
		pattern = "*"
	}
	for i, part := range strings.Split(pattern, "/") {
		if i > 0 {
			t.expr.WriteByte('/')
		}
		if !strings.HasPrefix(part, "*") {
			if err := t.literal(part, false); err != nil {
				return "", err
			}
			continue
		}
		after, err := t.glob(part)
		if err == nil && after != "" {
			err = fmt.Errorf("%q after a glob of the variable %s", after, name)
		}
		if err != nil {
			return "", err
		}
	}
	return rest, nil
}

func (t *template) name(name string) error {
	for i, c := range []byte(name) {
		if letter := 'a' <= c|0x20 && c|0x20 <= 'z'; !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return fmt.Errorf("%q is no name of a variable", name)
		}
	}
	switch {
	case name == "" || len(name) > maxTemplateName:
		return fmt.Errorf("the name of the variable %q has not 1 to %d characters", name, maxTemplateName)
	case slices.Contains(t.names, name):
		return fmt.Errorf("the variable %q is there twice", name)
	case len(t.names) == maxTemplateVars:
		return fmt.Errorf("more than %d variables", maxTemplateVars)
	}
	t.names = append(t.names, name)
	return nil
}
