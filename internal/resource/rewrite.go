package resource

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/crossgate/crossgate/internal/diag"
)

// Rewrite writes the fixes of diagnostics of one file into its text, and returns
// those that it wrote. Only the bytes of the values change, and of their keys where a
// fix has one; comments and the form of the rest stay. A fix is left out where its
// place is not what the diagnostic says: an alias, a text of several lines, another
// value. What comes out has no error that data had not.
func Rewrite(file string, data []byte, l diag.List) ([]byte, diag.List, error) {
	starts := lineStarts(data)
	var edits []edit
	var done diag.List
	for _, d := range l {
		if d.Fix == nil || d.Pos.File != file {
			continue
		}
		found, ok := findEdits(data, starts, d)
		if ok && !slices.ContainsFunc(edits, func(e edit) bool { return slices.ContainsFunc(found, e.meets) }) {
			edits = append(edits, found...)
			done = append(done, d)
		}
	}
	slices.SortFunc(edits, func(a, b edit) int { return b.from - a.from })
	out := data
	for _, e := range edits {
		out = slices.Concat(out[:e.from], []byte(e.text), out[e.to:])
	}
	before, old := Parse(file, data, ParseOptions{})
	after, found := Parse(file, out, ParseOptions{})
	if len(before) != len(after) || found.Count(diag.Error) > old.Count(diag.Error) {
		return data, nil, errors.New("the file would not be valid any more, and stays as it is")
	}
	return out, done, nil
}

// edit puts a text in place of bytes.
type edit struct {
	from, to int
	text     string
}

func (e edit) meets(o edit) bool { return e.from < o.to && o.from < e.to }

// findEdits returns the edits of one fix.
func findEdits(data []byte, starts []int, d diag.Diagnostic) ([]edit, bool) {
	if d.Pos.Line < 1 || d.Pos.Line > len(starts) || d.Pos.Col < 1 {
		return nil, false
	}
	begin := starts[d.Pos.Line-1]
	line, _, _ := bytes.Cut(data[begin:], []byte("\n"))
	at := d.Pos.Col - 1
	if at > len(line) {
		return nil, false
	}
	token, quote, ok := scalar(string(line[at:]), d.Fix.Old)
	if !ok {
		return nil, false
	}
	edits := []edit{{begin + at, begin + at + len(token), written(d.Fix.New, quote)}}
	if d.Fix.Key != "" {
		key := d.Path[strings.LastIndexByte(d.Path, '.')+1:]
		m := regexp.MustCompile(`(?:^|[\s{,-])["']?(` + regexp.QuoteMeta(key) + `)["']?\s*:\s*$`).FindSubmatchIndex(line[:at])
		if m == nil {
			return nil, false
		}
		edits = append(edits, edit{begin + m[2], begin + m[3], d.Fix.Key})
	}
	return edits, true
}

// scalar returns the scalar that text begins with, and how it is quoted; ok is false
// if it does not mean value.
func scalar(text, value string) (token string, quote byte, ok bool) {
	switch {
	case strings.HasPrefix(text, `'`):
		want := "'" + strings.ReplaceAll(value, "'", "''") + "'"
		return want, '\'', strings.HasPrefix(text, want) && !strings.HasPrefix(text[len(want):], "'")
	case strings.HasPrefix(text, `"`):
		end := 1
		for end < len(text) && text[end] != '"' {
			if text[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(text) {
			return "", 0, false
		}
		token = text[:end+1]
		read, err := strconv.Unquote(strings.ReplaceAll(token, `\/`, `/`))
		return token, '"', err == nil && read == value
	}
	rest, ok := strings.CutPrefix(text, value)
	rest = strings.TrimRight(rest, "\r")
	end := strings.TrimLeft(rest, " \t")
	return value, 0, ok && value != "" && (end == "" || strings.ContainsAny(rest[:1], ",]}") || rest != end && strings.ContainsAny(end[:1], "#,]}"))
}

// plainScalar is what needs no quotes in any place of a document.
var plainScalar = regexp.MustCompile(`^[A-Za-z][^\s,\[\]{}#'"]*[^\s,\[\]{}#'":]$`)

// written is a value as it is written with quotes of a kind.
func written(value string, quote byte) string {
	switch {
	case quote == '"':
		var b strings.Builder
		for _, r := range value {
			if r == '"' || r == '\\' {
				b.WriteByte('\\')
			}
			b.WriteRune(r)
		}
		return `"` + b.String() + `"`
	case quote == 0 && plainScalar.MatchString(value) && !strings.Contains(value, ": "):
		return value
	}
	return fmt.Sprintf("'%s'", strings.ReplaceAll(value, "'", "''"))
}
