package resource

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	yaml "go.yaml.in/yaml/v3"
)

const (
	// maxFileBytes bounds what is read of one file.
	maxFileBytes = 64 << 20
	// maxDocuments bounds how many documents one file may have.
	maxDocuments = 100_000
	// maxLocate bounds the document in which the line of a syntax error is
	// searched for by parsing its beginnings.
	maxLocate = 256 << 10
	// locateBudget bounds how much text that search may parse in all.
	locateBudget = 4 << 20
)

// document is one YAML document of a file.
type document struct {
	text []byte
	// line of the file on which text begins, from 0.
	line int
	// starts and breaks are the lines of text as everybody and as YAML counts
	// them; only where they or the columns may differ, see scan.
	starts, breaks []int
}

// split cuts a file at its document markers. A line that begins with "---" or
// "..." ends a document wherever it stands, in a quoted or block scalar too
// (YAML 1.2 section 9.1.2), so that cutting needs no parsing and what is broken
// in one document stays in it.
func split(data []byte) []*document {
	var docs []*document
	start, startLine, line := 0, 0, 0
	cut := func(end int) {
		if text := data[start:end]; hasContent(text) {
			docs = append(docs, &document{text: text, line: startLine})
		}
	}
	for i := 0; i < len(data); line++ {
		next := len(data)
		if j := bytes.IndexByte(data[i:], '\n'); j >= 0 {
			next = i + j + 1
		}
		switch marker(data[i:next]) {
		case '-':
			cut(i)
			start, startLine = i, line
		case '.':
			cut(i)
			start, startLine = next, line+1
		}
		i = next
	}
	cut(len(data))
	return docs
}

// marker returns '-' or '.' when the line is a document marker.
func marker(line []byte) byte {
	if !bytes.HasPrefix(line, []byte("---")) && !bytes.HasPrefix(line, []byte("...")) {
		return 0
	}
	if len(line) == 3 || strings.IndexByte(" \t\r\n", line[3]) >= 0 {
		return line[0]
	}
	return 0
}

// hasContent reports whether there is more than comments, directives and the
// marker.
func hasContent(text []byte) bool {
	for i, line := range bytes.Split(text, []byte("\n")) {
		if i == 0 && marker(line) != 0 {
			line = line[3:]
		}
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' && line[0] != '%' {
			return true
		}
	}
	return false
}

// place returns where a yaml node stands in the file.
func (d *document) place(n *yaml.Node) place {
	line, col := max(n.Line, 1), max(n.Column, 1)
	if d.starts == nil || line > len(d.breaks) {
		return place{line: d.line + line, col: col}
	}
	offset := d.breaks[line-1]
	for range col - 1 {
		_, size := utf8.DecodeRune(d.text[offset:])
		offset += size
	}
	line = lineOf(d.starts, offset)
	return place{line: d.line + line + 1, col: offset - d.starts[line] + 1}
}

// parse reads the document; a failure is a *problem.
func (d *document) parse() (*node, error) {
	if err := d.scan(); err != nil {
		return nil, err
	}
	if isJSON(d.text) {
		return d.parseJSON()
	}
	var root yaml.Node
	if err := unmarshal(d.text, &root); err != nil {
		return nil, d.syntaxError(err)
	}
	if root.Kind != yaml.DocumentNode || len(root.Content) != 1 {
		return &node{kind: nullNode, at: place{d.line + 1, 1}}, nil
	}
	c := &converter{doc: d, scalars: make(map[string]*node)}
	return c.convert(root.Content[0], 0)
}

// scan finds bytes that no YAML may have, because the parser names no place for
// them. Where the text is not plain ASCII lines it prepares the translation of
// places: YAML counts characters, positions count bytes, and YAML also breaks
// lines at a lone carriage return and at three characters of Unicode.
func (d *document) scan() error {
	breaks, line, start, plain := []int{0}, 0, 0, true
	for i := 0; i < len(d.text); {
		r, size := rune(d.text[i]), 1
		if r >= utf8.RuneSelf {
			plain = false
			r, size = utf8.DecodeRune(d.text[i:])
		}
		at := place{line: d.line + line + 1, col: i - start + 1}
		crlf := r == '\r' && i+1 < len(d.text) && d.text[i+1] == '\n'
		switch {
		case r == utf8.RuneError && size == 1:
			return &problem{at: at, code: CodeSyntax, message: "the text is not UTF-8"}
		case r == '\n':
			line, start = line+1, i+1
			breaks = append(breaks, i+1)
		case r == '\r' && !crlf, r == '\u0085', r == '\u2028', r == '\u2029':
			plain = false
			breaks = append(breaks, i+size)
		case r < ' ' && r != '\t' && r != '\r', r == 0x7f:
			return &problem{at: at, code: CodeSyntax, message: fmt.Sprintf("the control character U+%04X is not allowed", r)}
		}
		i += size
	}
	if !plain {
		d.starts, d.breaks = lineStarts(d.text), breaks
	}
	return nil
}

func lineStarts(text []byte) []int {
	starts := []int{0}
	for i, b := range text {
		if b == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

// lineOf returns the line that holds an offset, from 0.
func lineOf(starts []int, offset int) int {
	i, found := slices.BinarySearch(starts, offset)
	if !found {
		i--
	}
	return i
}

// unmarshal reads one YAML document. Panics, which are bugs of the library, are
// errors: an input must never end the program.
func unmarshal(text []byte, into *yaml.Node) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("yaml: the parser failed: %v", v)
		}
	}()
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(into); err != nil {
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
	var second yaml.Node
	switch err := d.Decode(&second); {
	case err == nil:
		return errors.New("yaml: a document marker must begin a line that ends with a line feed")
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

var yamlLine = regexp.MustCompile(`^line (\d+): `)

// syntaxError positions an error of the yaml parser. The parser names the line
// where the surrounding construct began; the line to look at is the first that
// cannot be added to a beginning that parses.
func (d *document) syntaxError(err error) error {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		message = message[len(m[0]):]
		if n, convErr := strconv.Atoi(m[1]); convErr == nil {
			line = max(n, 1)
		}
	}
	starts := lineStarts(d.text)
	if len(d.text) <= maxLocate {
		line = d.firstBadLine(starts)
	}
	line = min(line, len(starts))
	text := d.text[starts[line-1]:]
	col := len(text) - len(bytes.TrimLeft(text, " \t")) + 1
	return &problem{at: place{line: d.line + line, col: col}, code: CodeSyntax, message: "not valid YAML: " + message}
}

// firstBadLine searches by halves for a beginning that parses and does not with
// one line more. A construct of several lines does not parse in its middle, so
// some lines further are tried before the answer stands.
func (d *document) firstBadLine(starts []int) int {
	budget := locateBudget
	parses := func(lines int) bool {
		if lines >= len(starts) || budget < starts[lines] {
			return false
		}
		budget -= starts[lines]
		var root yaml.Node
		return unmarshal(d.text[:starts[lines]], &root) == nil
	}
	const lookAhead = 40
	good := 0
	for {
		bad := len(starts)
		for bad-good > 1 {
			if mid := (good + bad) / 2; parses(mid) {
				good = mid
			} else {
				bad = mid
			}
		}
		further := 0
		for n := good + 2; n <= min(good+lookAhead, len(starts)-1); n++ {
			if parses(n) {
				further = n
			}
		}
		if further == 0 {
			return good + 1
		}
		good = further
	}
}

// asProblem returns the position and code of a parse failure.
func asProblem(err error, fallback place) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	return &problem{at: fallback, code: CodeSyntax, message: err.Error()}
}
