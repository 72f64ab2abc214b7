package square

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/crossgate/crossgate/test/rawhttp"
)

// The files of a script that are not resources.
const (
	requestsFile  = "requests"
	bootstrapFile = "bootstrap.yaml"
)

// Script is a parsed request script.
type Script struct {
	archive *txtar.Archive
	blocks  []block
}

// block is a paragraph of the requests file: a case, or text that is kept as it
// is.
type block struct {
	head []string // up to the arrow
	test *Case    // nil: no request
}

// Case is one request of a script.
type Case struct {
	Line     int // in the requests file, counted from 1
	Request  Request
	Listener string
	Plan     rawhttp.Plan
	// Want is the expected answer as Answer.Lines; nil if there is none yet.
	Want []string
	// Hardened is what the profile hardened answers, where that differs; nil if it
	// does not.
	Hardened []string
}

// hardenedMark parts the two answers in a script.
const hardenedMark = "hardened:"

// Request is what a case sends.
type Request struct {
	Method, Target string
	Fields         rawhttp.Fields
	Body           []byte // nil: none
	// Raw are the exact bytes to send, instead of the above; in it @ID stands
	// for the id of the case.
	Raw []byte
}

// Bytes returns the request as it goes over the wire. The id is sent in the last
// header line, where the upstream finds it.
func (r Request) Bytes(id string) []byte {
	if r.Raw != nil {
		return bytes.ReplaceAll(r.Raw, []byte("@ID"), []byte(id))
	}
	b := fmt.Appendf(nil, "%s %s HTTP/1.1\r\n", r.Method, r.Target)
	for _, f := range r.Fields {
		b = fmt.Appendf(b, "%s: %s\r\n", f.Name, f.Value)
	}
	_, sized := r.Fields.Get("content-length")
	_, coded := r.Fields.Get("transfer-encoding")
	if r.Body != nil && !sized && !coded {
		b = fmt.Appendf(b, "content-length: %d\r\n", len(r.Body))
	}
	b = fmt.Appendf(b, "%s: %s\r\n\r\n", rawhttp.IDHeader, id)
	return append(b, r.Body...)
}

// ParseScript parses a txtar file.
func ParseScript(data []byte) (*Script, error) {
	s := &Script{archive: txtar.Parse(data)}
	text, ok := s.file(requestsFile)
	if !ok {
		return nil, fmt.Errorf("no file %q", requestsFile)
	}
	var each rawhttp.Fields
	for start, lines := range paragraphs(string(text)) {
		b, err := parseBlock(lines, start, &each)
		if err != nil {
			return nil, fmt.Errorf("%s:%w", requestsFile, err)
		}
		s.blocks = append(s.blocks, b)
	}
	return s, nil
}

// Cases returns the cases in their order.
func (s *Script) Cases() []*Case {
	var out []*Case
	for _, b := range s.blocks {
		if b.test != nil {
			out = append(out, b.test)
		}
	}
	return out
}

// Format returns the script as a txtar file with the cases' expectations.
func (s *Script) Format() []byte {
	var b bytes.Buffer
	for i, bl := range s.blocks {
		if i > 0 {
			b.WriteByte('\n')
		}
		lines := bl.head
		if bl.test != nil {
			lines = append(lines[:len(lines):len(lines)], bl.test.Want...)
			if bl.test.Hardened != nil {
				lines = append(append(lines, hardenedMark), bl.test.Hardened...)
			}
		}
		b.WriteString(strings.Join(lines, "\n") + "\n")
	}
	for i, f := range s.archive.Files {
		if f.Name == requestsFile {
			s.archive.Files[i].Data = b.Bytes()
		}
	}
	return txtar.Format(s.archive)
}

func (s *Script) file(name string) ([]byte, bool) {
	for _, f := range s.archive.Files {
		if f.Name == name {
			return f.Data, true
		}
	}
	return nil, false
}

// paragraphs yields the runs of lines between empty lines, each with the number
// of its first line.
func paragraphs(text string) func(yield func(int, []string) bool) {
	return func(yield func(int, []string) bool) {
		lines := append(strings.Split(text, "\n"), "")
		start := 0
		for i, l := range lines {
			if l != "" {
				continue
			}
			if i > start && !yield(start+1, lines[start:i]) {
				return
			}
			start = i + 1
		}
	}
}

// parseBlock parses one paragraph. "each request:" sets the header lines that
// the following cases begin with.
func parseBlock(lines []string, start int, each *rawhttp.Fields) (block, error) {
	head, want := lines, []string(nil)
	for i, l := range lines {
		if strings.HasPrefix(l, "=> ") {
			head, want = lines[:i], lines[i:]
			break
		}
	}
	b := block{head: head}
	body := head
	for len(body) > 0 && strings.HasPrefix(body[0], "#") {
		body = body[1:]
	}
	if len(body) == 0 {
		return b, nil
	}
	first := start + len(head) - len(body)
	if body[0] == "each request:" {
		*each = nil
		for i, l := range body[1:] {
			f, err := parseField(l)
			if err != nil {
				return b, fmt.Errorf("%d: %w", first+1+i, err)
			}
			*each = append(*each, f)
		}
		return b, nil
	}
	b.test = &Case{Line: first, Want: want}
	if i := slices.Index(want, hardenedMark); i >= 0 {
		b.test.Want, b.test.Hardened = want[:i], want[i+1:]
	}
	for i, l := range body {
		if err := b.test.parseLine(l, i == 0); err != nil {
			return b, fmt.Errorf("%d: %w", first+i, err)
		}
	}
	b.test.Request.Fields = slices.Concat(defaults(*each, b.test.Request.Fields), b.test.Request.Fields)
	return b, nil
}

// defaults returns the lines of each that own does not replace.
func defaults(each, own rawhttp.Fields) rawhttp.Fields {
	for _, f := range own {
		each = each.Without(f.Name)
	}
	return each
}

// parseLine parses a line of a case before the arrow.
func (c *Case) parseLine(line string, first bool) error {
	word, rest, _ := strings.Cut(line, ":")
	rest = strings.TrimSpace(rest)
	var err error
	switch {
	case word == "raw":
		c.Request.Raw, err = unquote(rest)
		c.Request.Method, _, _ = strings.Cut(string(c.Request.Raw), " ")
	case first:
		var ok bool
		if c.Request.Method, c.Request.Target, ok = strings.Cut(line, " "); !ok {
			err = fmt.Errorf("%q is no request line", line)
		}
	case word == "body":
		c.Request.Body, err = unquote(rest)
	case word == "listener":
		c.Listener = rest
	case word == "upstream":
		err = parsePlan(&c.Plan, rest)
	default:
		var f rawhttp.Field
		f, err = parseField(line)
		c.Request.Fields = append(c.Request.Fields, f)
	}
	return err
}

// parsePlan parses what follows "upstream:".
func parsePlan(p *rawhttp.Plan, text string) (err error) {
	verb, rest, _ := strings.Cut(text, " ")
	switch verb {
	case "status":
		p.Status, err = strconv.Atoi(rest)
	case "header":
		var f rawhttp.Field
		f, err = parseField(rest)
		p.Fields = append(p.Fields, f)
	case "trailer":
		var f rawhttp.Field
		f, err = parseField(rest)
		p.Trailers = append(p.Trailers, f)
	case "body":
		p.Body, err = unquote(rest)
	case "raw":
		p.Raw, err = unquote(rest)
	case "chunked":
		p.Chunked = true
	case "sleep":
		p.Sleep, err = time.ParseDuration(rest)
	case "close":
		if rest != "before" && rest != "middle" {
			err = fmt.Errorf("close %q: want before or middle", rest)
		}
		p.Close = rest
	case "fail":
		n, status, _ := strings.Cut(rest, " ")
		if p.FailFirst, err = strconv.Atoi(n); err == nil && status != "" {
			p.FailStatus, err = strconv.Atoi(status)
		}
	default:
		err = fmt.Errorf("unknown directive %q of the upstream", verb)
	}
	return err
}

func parseField(line string) (rawhttp.Field, error) {
	name, value, ok := strings.Cut(line, ":")
	if !ok {
		return rawhttp.Field{}, fmt.Errorf("%q is no header line", line)
	}
	return rawhttp.Field{Name: name, Value: strings.TrimPrefix(value, " ")}, nil
}

func unquote(s string) ([]byte, error) {
	t, err := strconv.Unquote(s)
	if err != nil {
		return nil, fmt.Errorf("%s: not a quoted text", s)
	}
	return []byte(t), nil
}
