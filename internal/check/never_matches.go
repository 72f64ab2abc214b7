package check

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/origin"
)

// neverMatches finds origins that no browser sends.
func neverMatches() *Check {
	return matcherCheck("never-matches", CodeNeverMatches,
		"An origin can match no request of a browser. An origin is a scheme, a host in lower case and a port that is not the scheme's own "+
			"(https://app.example.com, http://localhost:3000): nothing behind it, no user, no *, and other alphabets in their xn-- form.",
		func(_ *corsPolicy, m *matcher) *opening {
			if m.reachable || m.Match("null") || otherScheme(m.Text) {
				return nil
			}
			return &opening{severity: diag.Warning, message: "no browser sends such an origin: " + m.unreachable() + m.advice(), fix: m.fix()}
		})
}

// otherScheme reports whether an origin is one of an app or an extension, which look
// as they like.
func otherScheme(text string) bool {
	scheme, _, ok := strings.Cut(strings.TrimPrefix(text, "^"), ":")
	return ok && strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+-") == "" && !slices.Contains([]string{"", "http", "https"}, scheme)
}

// unreachable says what is wrong with an origin.
func (m *matcher) unreachable() string {
	text := m.Text
	scheme, rest, ok := strings.Cut(text, "://")
	host, path, slash := strings.Cut(rest, "/")
	switch {
	case m.Kind == origin.Regex:
		return "nothing that the expression matches has the form of one"
	case !ok:
		return "it has no scheme"
	case strings.Contains(text, "*"):
		return "a * stands for itself here"
	case strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII }):
		return "names in other alphabets come in their xn-- form"
	case strings.ContainsFunc(text, unicode.IsUpper):
		return "it has capital letters"
	case strings.ContainsFunc(text, unicode.IsSpace):
		return "it has a blank"
	case slash && path == "":
		return "it ends in a slash"
	case slash:
		return "it has a path"
	case strings.Contains(host, "@"):
		return "it has a user"
	case scheme == "https" && strings.HasSuffix(host, ":443"), scheme == "http" && strings.HasSuffix(host, ":80"):
		return fmt.Sprintf("the port is the default of %s and left out", scheme)
	}
	return "it has not the form of one"
}
