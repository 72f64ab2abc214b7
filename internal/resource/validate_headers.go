package resource

import (
	"errors"
	"fmt"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

// headers checks header operations.
func (v *validator) headers(h *networking.Headers, path string) {
	if h == nil {
		return
	}
	v.headerOperations(h.Request, path+".request", requestHeaderName)
	v.headerOperations(h.Response, path+".response", responseHeaderName)
}

func (v *validator) headerOperations(ops *networking.Headers_HeaderOperations, path string, nameRule func(string) error) {
	if ops == nil {
		return
	}
	for _, part := range []struct {
		name    string
		headers map[string]string
	}{{"add", ops.Add}, {"set", ops.Set}} {
		for name, value := range part.headers {
			p := join(path+"."+part.name, name)
			v.check(p, nameRule(name))
			v.check(p, headerFormat(value))
		}
	}
	for i, name := range ops.Remove {
		v.check(at(path+".remove", i), responseHeaderName(name))
	}
}

// requestHeaderName allows what rewrites the authority, ":authority" and "host".
func requestHeaderName(name string) error {
	if strings.EqualFold(name, "host") || strings.EqualFold(name, ":authority") {
		return nil
	}
	return responseHeaderName(name)
}

// responseHeaderName is stricter than istiod, which checks no more than the first
// character: Envoy writes names as they are, so that only tokens (RFC 9110
// section 5.6.2) may be names.
func responseHeaderName(name string) error {
	switch {
	case name == "":
		return errors.New("a header name is empty")
	case strings.HasPrefix(name, ":"):
		return fmt.Errorf(`the header %q begins with ":" and cannot be changed`, name)
	case strings.EqualFold(name, "host"):
		return errors.New("the Host header cannot be changed here")
	}
	for i := range len(name) {
		if !isToken(name[i]) {
			return fmt.Errorf("%q is not a header name", name)
		}
	}
	return nil
}

func isToken(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// headerFormat checks that the command operators of a value are closed: "%" is
// written "%%", everything else stands between two (Envoy's substitution
// formatter). What the operator means is checked where it is compiled.
func headerFormat(value string) error {
	for i := 0; i < len(value); i++ {
		if value[i] != '%' {
			continue
		}
		if i+1 < len(value) && value[i+1] == '%' {
			i++
			continue
		}
		end := closing(value[i+1:])
		if end < 0 {
			return fmt.Errorf(`%q has a "%%" that begins no operator such as %%REQ(origin)%%; a plain percent sign is written "%%%%"`, clip(value))
		}
		if err := operatorArguments(value[i+1 : i+1+end]); err != nil {
			return err
		}
		i += end + 1
	}
	return nil
}

// closing returns the index of the "%" that ends an operator: NAME, then
// optionally (ARGUMENTS) and :LENGTH.
func closing(s string) int {
	i := 0
	for i < len(s) && (s[i] == '_' || 'A' <= s[i] && s[i] <= 'Z' || '0' <= s[i] && s[i] <= '9') {
		i++
	}
	if i == 0 {
		return -1
	}
	if i < len(s) && s[i] == '(' {
		end := argumentsEnd(s[i:])
		if end < 0 {
			return -1
		}
		i += end
	}
	if i < len(s) && s[i] == ':' {
		for i++; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
		}
	}
	if i < len(s) && s[i] == '%' {
		return i
	}
	return -1
}

// argumentsEnd returns the length of "(…)": the parenthesis that closes stands
// before the end of the operator, others may stand in the arguments.
func argumentsEnd(s string) int {
	for i := range len(s) - 1 {
		if s[i] == ')' && (s[i+1] == '%' || s[i+1] == ':') {
			return i + 1
		}
	}
	return -1
}

// operatorArguments checks what istiod demands of the "(…)" of an operator and
// Envoy does not: an array in brackets, or a text in which a quote ends a part, and
// nothing but spaces behind the parenthesis that closes.
func operatorArguments(operator string) error {
	_, s, ok := strings.Cut(operator, "(")
	if !ok {
		return nil
	}
	const begin, text, between, item, last, closed = 0, 1, 2, 3, 4, 5
	state := begin
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case state == text && c == '\\':
			i++
		case c == ')' && (state == text || state == last):
			state = closed
		case state == text && c == '"':
			state = between
		case state == text, c == ' ':
		case state == begin && c == '[', state == between && c == ',':
			state = item
		case state == begin, state == item && c == '"':
			state = text
		case state == between && c == ']':
			state = last
		default:
			return fmt.Errorf("the operator %s is not one that istiod takes: %q is not expected in or behind its arguments", quote(operator), c)
		}
	}
	if state != closed {
		return fmt.Errorf("the operator %s is not one that istiod takes: its arguments do not end", quote(operator))
	}
	return nil
}

// authority checks that one place at most rewrites the authority.
func (v *validator) authority(r *networking.HTTPRoute, path string) {
	n := 0
	if r.Rewrite.GetAuthority() != "" {
		n++
	}
	for _, headers := range []map[string]string{r.Headers.GetRequest().GetSet(), r.Headers.GetRequest().GetAdd()} {
		for name := range headers {
			if strings.EqualFold(name, "host") || strings.EqualFold(name, ":authority") {
				n++
			}
		}
	}
	if n > 1 {
		v.errorf(path+".headers.request", "the authority is rewritten in more than one place")
	}
}
