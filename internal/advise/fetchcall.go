package advise

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/tdewolff/parse/v2"
	"github.com/tdewolff/parse/v2/js"

	"github.com/crossgate/crossgate/internal/fetch"
)

// ReadFetch reads the first call of fetch() in a piece of JavaScript, such as a page's source or what the developer tools copy.
// Values that only the running page knows become placeholders, with a note; a method or a URL must be written out.
func ReadFetch(source string) (*Ask, error) {
	ast, err := js.Parse(parse.NewInputString(source), js.Options{})
	if err != nil {
		return nil, fmt.Errorf("this is no JavaScript: %w", err)
	}
	var f finder
	js.Walk(&f, &ast.BlockStmt)
	if f.call == nil {
		return nil, errors.New("there is no call of fetch() in it")
	}
	a := &Ask{}
	return a, a.readFetch(f.call.Args.List)
}

// finder finds the first call of fetch.
type finder struct{ call *js.CallExpr }

func (f *finder) Enter(n js.INode) js.IVisitor {
	if call, ok := n.(*js.CallExpr); ok && f.call == nil && isFetch(call.X) {
		f.call = call
	}
	if f.call != nil {
		return nil
	}
	return f
}

func (f *finder) Exit(js.INode) {}

func isFetch(callee js.IExpr) bool {
	switch x := callee.(type) {
	case *js.Var:
		return string(x.Data) == "fetch"
	case *js.DotExpr:
		return text(written(x.Y)) == "fetch"
	}
	return false
}

func (a *Ask) readFetch(args []js.Arg) error {
	if len(args) == 0 {
		return errors.New("fetch() is called without a URL")
	}
	target, options := args[0].Value, js.IExpr(nil)
	if len(args) > 1 {
		options = args[1].Value
	}
	if n, ok := target.(*js.NewExpr); ok && n.Args != nil && len(n.Args.List) > 0 { // new URL(…), new Request(…)
		target = n.Args.List[0].Value
		if options == nil && len(n.Args.List) > 1 && written(n.X) == "Request" {
			options = n.Args.List[1].Value
		}
	}
	var ok bool
	if a.Call.URL, ok = literal(target); !ok {
		return fmt.Errorf("the URL is computed (%s): write it out", written(target))
	}
	if options == nil {
		return nil
	}
	object, ok := options.(*js.ObjectExpr)
	if !ok {
		return fmt.Errorf("the options are computed (%s): write them out", written(options))
	}
	for i := range object.List {
		if err := a.readOption(&object.List[i]); err != nil {
			return err
		}
	}
	return nil
}

func (a *Ask) readOption(p *js.Property) error {
	name := nameOf(p)
	switch name {
	case "headers":
		return a.readHeaders(p.Value)
	case "body":
		a.readBody(p.Value)
		return nil
	case "method", "credentials", "mode", "redirect", "referrer":
	case "":
		return fmt.Errorf("options are computed (%s): write them out", written(p))
	default:
		return nil // cache, signal and the like change nothing here
	}
	value, ok := literal(p.Value)
	if !ok {
		return fmt.Errorf("the option %s is computed (%s): write it out", name, written(p.Value))
	}
	switch name {
	case "method":
		a.Call.Method = value
	case "referrer":
		if origin, err := OriginOf(value); err == nil {
			a.Call.Page = origin
		}
	default:
		return a.SetOption(name, value)
	}
	return nil
}

// SetOption sets the option credentials, mode or redirect of fetch().
func (a *Ask) SetOption(name, value string) error {
	allowed := map[string][]string{
		"credentials": {"omit", "same-origin", "include"},
		"mode":        {"cors", "no-cors", "same-origin"},
		"redirect":    {"follow", "error", "manual"},
	}[name]
	for _, v := range allowed {
		if v != value {
			continue
		}
		switch name {
		case "credentials":
			a.Call.Credentials = fetch.Credentials(value)
		case "mode":
			a.Call.Mode = fetch.Mode(value)
		case "redirect":
			a.Call.Redirect = fetch.Redirect(value)
		}
		return nil
	}
	return fmt.Errorf("%s: %q is none of %s", name, value, strings.Join(allowed, ", "))
}

// readHeaders reads an object, an array of pairs, or new Headers of one of them.
func (a *Ask) readHeaders(e js.IExpr) error {
	switch x := e.(type) {
	case *js.NewExpr:
		if written(x.X) == "Headers" && x.Args != nil && len(x.Args.List) == 1 {
			return a.readHeaders(x.Args.List[0].Value)
		}
	case *js.ObjectExpr:
		for i := range x.List {
			name := nameOf(&x.List[i])
			if name == "" {
				return fmt.Errorf("headers are computed (%s): write them out", written(x.List[i]))
			}
			a.addHeader(name, x.List[i].Value)
		}
		return nil
	case *js.ArrayExpr:
		for _, element := range x.List {
			pair, ok := element.Value.(*js.ArrayExpr)
			if !ok || len(pair.List) != 2 {
				return fmt.Errorf("%s is no pair of a name and a value", written(element))
			}
			name, ok := literal(pair.List[0].Value)
			if !ok {
				return fmt.Errorf("the name of a header is computed (%s): write it out", written(pair.List[0]))
			}
			a.addHeader(name, pair.List[1].Value)
		}
		return nil
	}
	return fmt.Errorf("the headers are computed (%s): write them out", written(e))
}

func (a *Ask) addHeader(name string, value js.IExpr) {
	v, ok := literal(value)
	if !ok {
		v = placeholder
		if strings.EqualFold(name, "content-type") {
			v = "application/json"
		}
		a.note("the value of %s is computed by the page; %q is taken for it", name, v)
	}
	a.Call.Headers = append(a.Call.Headers, fetch.Field{Name: name, Value: v})
}

// readBody notes the content type that a body brings along (Fetch, "extract a body").
func (a *Ask) readBody(e js.IExpr) {
	if l, ok := e.(*js.LiteralExpr); ok && l.TokenType == js.NullToken {
		return
	}
	kind := "text/plain;charset=UTF-8"
	if n, ok := e.(*js.NewExpr); ok {
		switch written(n.X) {
		case "FormData":
			kind = "multipart/form-data; boundary=----" + placeholder
		case "URLSearchParams":
			kind = "application/x-www-form-urlencoded;charset=UTF-8"
		case "Blob", "File":
			a.note("the content type of the body is that of the %s; it is taken for none", written(n.X))
			return
		}
	} else if _, ok := literal(e); !ok && !strings.HasPrefix(written(e), "JSON.stringify") {
		a.note("the body is computed by the page; it is taken for a string")
	}
	a.implied = kind
}

// written is a part of the program as it could have been written.
func written(n interface{ JS(io.Writer) }) string {
	var b strings.Builder
	n.JS(&b)
	return b.String()
}

// nameOf is the name of a property; "" if it is computed or spread.
func nameOf(p *js.Property) string {
	if p.Spread || p.Name == nil || p.Name.IsComputed() {
		return ""
	}
	if p.Name.Literal.TokenType == js.StringToken {
		return text(string(p.Name.Literal.Data))
	}
	return string(p.Name.Literal.Data)
}

// literal is the text of a string, of a number, or of a template without expressions.
func literal(e js.IExpr) (string, bool) {
	switch x := e.(type) {
	case *js.LiteralExpr:
		switch x.TokenType {
		case js.StringToken:
			return text(string(x.Data)), true
		case js.NullToken:
			return "", false
		}
		return string(x.Data), js.IsNumeric(x.TokenType)
	case *js.TemplateExpr:
		if x.Tag == nil && len(x.List) == 0 {
			return text(string(x.Tail)), true
		}
	case *js.GroupExpr:
		return literal(x.X)
	}
	return "", false
}

// text takes the quotes from a string and replaces its escapes (ECMA-262, section 12.9.4).
func text(s string) string {
	if len(s) >= 2 && strings.ContainsRune("'\"`", rune(s[0])) && s[0] == s[len(s)-1] {
		s = s[1 : len(s)-1]
	} else {
		s = strings.TrimSuffix(s, "`")
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		i += writeEscape(&b, s[i:])
	}
	return b.String()
}

// writeEscape writes what stands for the escape whose part after the backslash begins s, and returns how many bytes follow its
// first one.
func writeEscape(b *strings.Builder, s string) int {
	if r, ok := map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', 'b': '\b', 'f': '\f', 'v': '\v', '0': 0}[s[0]]; ok {
		b.WriteByte(r)
		return 0
	}
	digits, more := "", 0
	switch {
	case s[0] == '\n':
		return 0
	case s[0] == 'x' && len(s) >= 3:
		digits, more = s[1:3], 2
	case strings.HasPrefix(s, "u{"):
		end := strings.IndexByte(s, '}')
		if end > 0 {
			digits, more = s[2:end], end
		}
	case s[0] == 'u' && len(s) >= 5:
		digits, more = s[1:5], 4
	}
	if n, err := strconv.ParseUint(digits, 16, 32); err == nil {
		b.WriteRune(rune(n))
		return more
	}
	b.WriteByte(s[0])
	return 0
}
