package diag

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Pos is a place in an input. Line and Col count from 1; Col counts bytes. A
// zero Line means that only the file is known; a zero Pos, that nothing is.
type Pos struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	Col  int    `json:"column,omitempty"`
}

// String renders the position as editors and CI systems understand it:
// file:line:column, as far as known, or "-".
func (p Pos) String() string {
	switch {
	case p.File == "" && p.Line == 0:
		return "-"
	case p.Line == 0:
		return p.File
	case p.Col == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Severity orders diagnostics by what they mean for serving.
type Severity int

// The severities, the worst first.
const (
	// Error: what the object asks for cannot be done as written.
	Error Severity = iota
	// Warning: it is done, and probably not what was meant.
	Warning
	// Info: worth knowing, nothing to repair.
	Info
)

// String returns the lower-case name of the severity.
func (s Severity) String() string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	}
	return "info"
}

// MarshalText makes the JSON form of a severity its name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes, in any case.
func (s *Severity) UnmarshalText(text []byte) error {
	for _, known := range []Severity{Error, Warning, Info} {
		if strings.EqualFold(string(text), known.String()) {
			*s = known
			return nil
		}
	}
	return fmt.Errorf("%q is no severity: want error, warning or info", text)
}

// Related is a second place that a diagnostic speaks of.
type Related struct {
	Pos     Pos    `json:"position"`
	Message string `json:"message"`
}

// Diagnostic is one finding about an input, at a position, with a code that
// users can search for: Istio's ISTxxxx where the check means the same, CGxxxx
// otherwise.
type Diagnostic struct {
	Pos      Pos      `json:"position"`
	Severity Severity `json:"severity"`
	Code     string   `json:"code"`
	// Object names what the finding is about, as "Kind namespace/name".
	Object string `json:"object,omitempty"`
	// Path is the field path inside the object: spec.http[0].corsPolicy.
	Path    string    `json:"path,omitempty"`
	Message string    `json:"message"`
	Related []Related `json:"related,omitempty"`
	// Witnesses are inputs that show the finding: origins that a pattern lets in
	// and that were not meant.
	Witnesses []string `json:"witnesses,omitempty"`
	// Fix is a change that settles the finding, where one is certain.
	Fix *Fix `json:"fix,omitempty"`
}

// Fix is a change of one value of an input, at the position of its diagnostic.
type Fix struct {
	// Key is written in place of the key of the value; empty leaves it.
	Key string `json:"key,omitempty"`
	// Old is the value as it is read, New what is to be read in its place.
	Old string `json:"old"`
	New string `json:"new"`
}

// String renders the diagnostic on one line:
//
//	vs.yaml:10:16: error: spec.http[0].route: no destination [CG0007]
func (d Diagnostic) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s: ", d.Pos, d.Severity)
	if d.Path != "" {
		b.WriteString(d.Path + ": ")
	}
	b.WriteString(cut(d.Message))
	if d.Code != "" {
		b.WriteString(" [" + d.Code + "]")
	}
	return b.String()
}

// maxMessage bounds what is printed of a message, in bytes: messages quote values,
// and a value may be as large as its file.
const maxMessage = 500

func cut(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	end := maxMessage
	for end > 0 && !utf8.RuneStart(message[end]) {
		end--
	}
	return message[:end] + fmt.Sprintf("… (%d bytes)", len(message))
}

// List is a set of diagnostics; the order means nothing until Sort.
type List []Diagnostic

// Sort orders the list by file, line, column, severity, code and message, so
// that equal inputs print equal outputs.
func (l List) Sort() {
	slices.SortStableFunc(l, func(a, b Diagnostic) int {
		return cmp.Or(
			cmp.Compare(a.Pos.File, b.Pos.File),
			cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Col, b.Pos.Col),
			cmp.Compare(a.Severity, b.Severity),
			cmp.Compare(a.Code, b.Code),
			cmp.Compare(a.Message, b.Message),
		)
	})
}

// HasErrors reports whether any diagnostic is an Error.
func (l List) HasErrors() bool {
	return slices.ContainsFunc(l, func(d Diagnostic) bool { return d.Severity == Error })
}

// Count returns how many diagnostics have severity s.
func (l List) Count(s Severity) int {
	n := 0
	for _, d := range l {
		if d.Severity == s {
			n++
		}
	}
	return n
}
