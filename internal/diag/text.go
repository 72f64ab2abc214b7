package diag

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// TextOptions say how diagnostics are printed for people.
type TextOptions struct {
	// Color uses ANSI colours.
	Color bool
	// Excerpt returns the line of the input at a position, without its end, to be
	// shown with a caret below; nil shows none. Meant for terminals: editors and
	// CI systems read one line each.
	Excerpt func(Pos) (line string, ok bool)
}

// WriteText prints each diagnostic on one line, its related places on lines of
// their own below, in the order of List.Sort.
func WriteText(w io.Writer, l List, o TextOptions) error {
	l = slices.Clone(l)
	l.Sort()
	b := bufio.NewWriter(w)
	for _, d := range l {
		b.WriteString(d.text(o) + "\n")
		o.excerpt(b, d.Pos)
		for _, r := range d.Related {
			fmt.Fprintf(b, "   related: %s: %s\n", visible(r.Pos.String()), visible(r.Message))
		}
	}
	return b.Flush()
}

func (d Diagnostic) text(o TextOptions) string {
	if !o.Color {
		return visible(d.String())
	}
	const bold, reset = "\x1b[1m", "\x1b[0m"
	color := map[Severity]string{Error: "\x1b[31m", Warning: "\x1b[33m", Info: "\x1b[36m"}[d.Severity]
	pos := d.Pos.String()
	rest := visible(strings.TrimPrefix(d.String(), pos+": "+d.Severity.String()))
	return bold + visible(pos) + ": " + color + d.Severity.String() + reset + rest
}

// visible replaces what a terminal would not show as itself or would obey:
// control characters, and those that change the direction of text.
func visible(s string) string {
	if strings.IndexFunc(s, hidden) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)) {
			fmt.Fprintf(&b, `\x%02x`, s[i])
			continue
		}
		if hidden(r) {
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func hidden(r rune) bool { return !unicode.IsPrint(r) }

// maxExcerpt bounds how many characters of a line are shown.
const maxExcerpt = 120

func (o TextOptions) excerpt(b *bufio.Writer, p Pos) {
	if o.Excerpt == nil || p.Line == 0 || p.Col == 0 {
		return
	}
	line, ok := o.Excerpt(p)
	if !ok || p.Col > len(line)+1 {
		return
	}
	before, after := []rune(line[:p.Col-1]), []rune(line[p.Col-1:])
	if len(before) > maxExcerpt/2 {
		before = before[len(before)-maxExcerpt/2:]
	}
	after = after[:min(len(after), maxExcerpt-len(before))]
	shown := func(rs []rune) string { return visible(strings.ReplaceAll(string(rs), "\t", " ")) }
	head := shown(before)
	fmt.Fprintf(b, "    %s%s\n    %s^\n", head, shown(after), strings.Repeat(" ", utf8.RuneCountInString(head)))
}

// Summary counts the diagnostics in words: "2 errors, 1 warning".
func (l List) Summary() string {
	var parts []string
	for _, s := range []Severity{Error, Warning, Info} {
		name := s.String()
		if s == Info {
			name = "note"
		}
		switch n := l.Count(s); {
		case n == 1:
			parts = append(parts, "1 "+name)
		case n > 1:
			parts = append(parts, strconv.Itoa(n)+" "+name+"s")
		}
	}
	if len(parts) == 0 {
		return "no findings"
	}
	return strings.Join(parts, ", ")
}
