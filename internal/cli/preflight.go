package cli

import (
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

// preflight is a CORS preflight that a policy should accept.
type preflight struct {
	path, origin, method, headers string
}

// preflightFor makes a preflight for an entry. It reports false if a preflight
// cannot reach the route, or if no origin is found that its policy allows.
func preflightFor(e entry) (preflight, bool) {
	m := e.route.GetMatch()
	path, ok := examplePath(m)
	if !ok || len(m.GetHeaders()) > 0 || len(m.GetQueryParameters()) > 0 {
		return preflight{}, false
	}
	origin, ok := exampleOrigin(e.cors)
	return preflight{
		path:    path,
		origin:  origin,
		method:  exampleMethod(e.cors.GetAllowMethods()),
		headers: exampleHeaders(e.cors.GetAllowHeaders()),
	}, ok
}

// curl renders the request as one line for a shell.
func (p preflight) curl(e entry, trust []string, connectTo string) string {
	args := append([]string{"curl", "-i", "-X", "OPTIONS"}, trust...)
	host := e.exampleHost()
	args = append(args,
		"--resolve", host+":"+strconv.FormatUint(uint64(e.port), 10)+":"+connectTo,
		"-H", "Origin: "+p.origin,
		"-H", "Access-Control-Request-Method: "+p.method)
	if p.headers != "" {
		args = append(args, "-H", "Access-Control-Request-Headers: "+p.headers)
	}
	args = append(args, e.url(p.path))
	for i, a := range args {
		args[i] = shellQuote(a)
	}
	return strings.Join(args, " ")
}

var shellSafe = regexp.MustCompile(`^[A-Za-z0-9_./:=@%+,-]+$`)

// shellQuote quotes a word for a POSIX shell where it needs it.
func shellQuote(s string) string {
	if shellSafe.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func examplePath(m *routev3.RouteMatch) (string, bool) {
	switch p := m.GetPathSpecifier().(type) {
	case *routev3.RouteMatch_Prefix:
		return p.Prefix, strings.HasPrefix(p.Prefix, "/")
	case *routev3.RouteMatch_Path:
		return p.Path, true
	case *routev3.RouteMatch_PathSeparatedPrefix:
		return p.PathSeparatedPrefix, true
	case *routev3.RouteMatch_SafeRegex:
		s, ok := exampleOf(p.SafeRegex.GetRegex())
		return s, ok && strings.HasPrefix(s, "/")
	}
	return "", false
}

// exampleOrigin returns an origin that a policy allows: a written one before a
// made one.
func exampleOrigin(p *corsv3.CorsPolicy) (string, bool) {
	matchers := p.GetAllowOriginStringMatch()
	for _, m := range matchers {
		if e := m.GetExact(); e != "" && e != "*" {
			return e, true
		}
	}
	for _, m := range matchers {
		if o, ok := madeOrigin(m); ok {
			return o, true
		}
	}
	return "", false
}

func madeOrigin(m *matcherv3.StringMatcher) (string, bool) {
	switch p := m.GetMatchPattern().(type) {
	case *matcherv3.StringMatcher_Exact: // only * is left
		return "https://app.example.com", true
	case *matcherv3.StringMatcher_Prefix:
		switch {
		case strings.HasSuffix(p.Prefix, "://"):
			return p.Prefix + "app.example.com", true
		case strings.HasSuffix(p.Prefix, "."):
			return p.Prefix + "example.com", true
		case strings.HasSuffix(p.Prefix, ":"):
			return p.Prefix + "3000", true
		}
		return p.Prefix, true
	case *matcherv3.StringMatcher_SafeRegex:
		return originOf(p.SafeRegex.GetRegex())
	}
	return "", false
}

// originOf returns an origin that an expression matches. One that leaves the
// scheme open, such as .*\.example\.com, gets https.
func originOf(expr string) (string, bool) {
	s, ok := exampleOf(expr)
	if !ok || strings.Contains(s, "://") {
		return s, ok
	}
	full, err := regexp.Compile("^(?:" + expr + ")$")
	s = "https://" + s
	return s, err == nil && full.MatchString(s)
}

func exampleMethod(list string) string {
	methods := strings.Split(list, ",")
	for _, m := range methods {
		switch m {
		case "", "*", "GET", "HEAD", "OPTIONS":
		default:
			return m // one that makes a browser ask
		}
	}
	switch methods[0] {
	case "*":
		return "PUT"
	case "":
		return "POST" // the profile hardened refuses what needs to be listed
	}
	return methods[0]
}

func exampleHeaders(list string) string {
	first, _, _ := strings.Cut(list, ",")
	if first == "*" {
		return "content-type"
	}
	return first
}

// maxExample bounds the text made of a regular expression.
const maxExample = 256

// exampleOf returns a short text that an RE2 expression matches as a whole, as
// Envoy's matchers do, or reports that none was found.
func exampleOf(expr string) (string, bool) {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return "", false
	}
	var b strings.Builder
	writeExample(&b, tree.Simplify())
	full, err := regexp.Compile("^(?:" + expr + ")$")
	if err != nil || b.Len() > maxExample || !full.MatchString(b.String()) {
		return "", false
	}
	return b.String(), true
}

// writeExample writes a text for one node, the shortest that looks like a name:
// what may be left out is, and a class gives a letter if it has one.
func writeExample(b *strings.Builder, re *syntax.Regexp) {
	if b.Len() > maxExample {
		return
	}
	switch re.Op {
	case syntax.OpLiteral:
		text := string(re.Rune)
		if re.Flags&syntax.FoldCase != 0 {
			text = strings.ToLower(text)
		}
		b.WriteString(text)
	case syntax.OpCharClass:
		b.WriteRune(exampleRune(re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte('a')
	case syntax.OpStar:
		// .* stands for something in what people write; an empty label would
		// not look like an origin.
		if op := re.Sub[0].Op; op == syntax.OpAnyChar || op == syntax.OpAnyCharNotNL {
			b.WriteString("app")
		}
	case syntax.OpPlus:
		writeExample(b, re.Sub[0])
	case syntax.OpCapture, syntax.OpConcat:
		for _, sub := range re.Sub {
			writeExample(b, sub)
		}
	case syntax.OpAlternate:
		writeExample(b, re.Sub[0])
	}
}

// exampleRune picks a rune of a class, which is pairs of first and last.
func exampleRune(class []rune) rune {
	for _, want := range "a0A" {
		for i := 0; i+1 < len(class); i += 2 {
			if class[i] <= want && want <= class[i+1] {
				return want
			}
		}
	}
	if len(class) == 0 {
		return 'a'
	}
	return class[0]
}
