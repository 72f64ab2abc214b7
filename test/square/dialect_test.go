package square

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// dialect is how a service reads HTTP/1.1. The zero value is strict: what is not as
// RFC 9112 has it ends the connection. The others are lenient in ways that servers
// were found to be, and each of them reads some attack as two requests.
type dialect struct {
	name string
	// bareLF and bareCR end lines, fold continues them, blankLead drops the
	// blanks before a name.
	bareLF, bareCR, fold, blankLead bool
	// looseNames drops blanks and controls around names, and takes _ for -.
	looseNames bool
	// coding says whether a transfer-encoding means chunks.
	coding func(value string) bool
	// length reads the content-lengths.
	length func(values []string) (int, error)
	// preferLength takes the length where there are both.
	preferLength bool
	// deaf services look for no body of GET and its like, and read a request there.
	deaf bool
	// looseChunks takes what stands before the first digit or after the last one
	// of a chunk's size, and whatever follows its data up to a line end.
	looseChunks bool
}

var dialects = []dialect{
	{name: "strict"},
	{name: "lf", bareLF: true, fold: true, looseChunks: true, coding: contains, length: firstLength},
	{name: "cr", bareLF: true, bareCR: true, looseNames: true, coding: contains, length: firstLength},
	{name: "coding", bareLF: true, looseNames: true, blankLead: true, fold: false, coding: contains, length: lastLength, looseChunks: true},
	{name: "length", bareLF: true, looseNames: true, blankLead: true, coding: contains, length: firstLength, preferLength: true},
	{name: "lastlength", bareLF: true, fold: true, coding: exactly, length: lastLength, preferLength: true},
	{name: "nolength", bareLF: true, coding: exactly, length: badIsNone, looseChunks: true},
	{name: "deaf", deaf: true, coding: exactly, length: firstLength},
	{name: "nocoding", bareLF: true, coding: func(string) bool { return false }, length: firstLength},
}

func contains(v string) bool { return strings.Contains(strings.ToLower(v), "chunked") }
func exactly(v string) bool  { return v == "chunked" }

// digits reads the number at the beginning of a text, as atoi does.
func digits(v string) (int, error) {
	v = strings.TrimLeft(v, " \t\v\f+")
	end := strings.IndexFunc(v, func(c rune) bool { return c < '0' || c > '9' })
	if end < 0 {
		end = len(v)
	}
	return strconv.Atoi(v[:end])
}

func firstLength(values []string) (int, error) { return digits(values[0]) }
func lastLength(values []string) (int, error) {
	v := values[len(values)-1]
	return digits(v[strings.LastIndexByte(v, ',')+1:])
}

// badIsNone takes what is no number for no length.
func badIsNone(values []string) (int, error) {
	n, err := strconv.Atoi(values[0])
	if err != nil || len(values) > 1 {
		return 0, nil
	}
	return n, nil
}

var errStrict = errors.New("not as RFC 9112 has it")

// parsed is a request as a dialect reads it.
type parsed struct {
	method, target string
	body           []byte
}

// read reads one request.
func (d *dialect) read(r *bufio.Reader) (parsed, error) {
	line, err := d.line(r)
	for err == nil && line == "" {
		line, err = d.line(r)
	}
	if err != nil {
		return parsed{}, err
	}
	words := strings.Fields(line)
	if d.name == "strict" && (len(words) != 3 || words[2] != "HTTP/1.1") || len(words) < 2 {
		return parsed{}, errStrict
	}
	m := parsed{method: words[0], target: words[1]}
	fields, err := d.fields(r)
	if err != nil {
		return m, err
	}
	if d.deaf && m.method != "POST" {
		return m, nil
	}
	m.body, err = d.body(r, fields)
	return m, err
}

// line reads a line without its end.
func (d *dialect) line(r *bufio.Reader) (string, error) {
	var b []byte
	for {
		c, err := r.ReadByte()
		if err != nil {
			return "", err
		}
		switch {
		case c == '\n' && len(b) > 0 && b[len(b)-1] == '\r':
			return string(b[:len(b)-1]), nil
		case c == '\n' && d.bareLF:
			return string(b), nil
		case c == '\n':
			return "", errStrict
		case d.bareCR && len(b) > 0 && b[len(b)-1] == '\r':
			return string(b[:len(b)-1]), r.UnreadByte()
		case d.name == "strict" && (c < ' ' && c != '\r' && c != '\t' || len(b) > 0 && b[len(b)-1] == '\r'):
			return "", errStrict
		}
		b = append(b, c)
	}
}

func (d *dialect) fields(r *bufio.Reader) (map[string][]string, error) {
	out := map[string][]string{}
	last := ""
	for {
		line, err := d.line(r)
		if err != nil || line == "" {
			return out, err
		}
		if blank := line[0] == ' ' || line[0] == '\t'; blank && d.fold && last != "" {
			n := len(out[last]) - 1
			out[last][n] = strings.TrimSpace(out[last][n] + " " + strings.TrimSpace(line))
			continue
		} else if blank && !d.blankLead {
			if d.name == "strict" {
				return nil, errStrict
			}
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		switch {
		case d.looseNames:
			name = strings.ReplaceAll(strings.TrimFunc(name, func(c rune) bool { return c <= ' ' || c > '~' }), "_", "-")
		case d.name == "strict" && (!ok || name == "" || strings.ContainsAny(name, " \t\x00\r")):
			return nil, errStrict
		}
		last = strings.ToLower(strings.TrimLeft(name, " \t"))
		out[last] = append(out[last], strings.TrimSpace(value))
	}
}

func (d *dialect) body(r *bufio.Reader, fields map[string][]string) ([]byte, error) {
	lengths, codings := fields["content-length"], fields["transfer-encoding"]
	if d.name == "strict" {
		return d.strictBody(r, lengths, codings)
	}
	chunked := slices.ContainsFunc(codings, d.coding)
	if chunked && (len(lengths) == 0 || !d.preferLength) {
		return d.chunks(r)
	}
	if len(lengths) == 0 {
		return nil, nil
	}
	n, err := d.length(lengths)
	if err != nil || n < 0 || n > 1<<20 {
		return nil, fmt.Errorf("content-length %q", lengths)
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	return b, err
}

func (d *dialect) strictBody(r *bufio.Reader, lengths, codings []string) ([]byte, error) {
	switch {
	case len(codings) == 1 && strings.EqualFold(codings[0], "chunked") && len(lengths) == 0:
		return d.chunks(r)
	case len(codings) == 0 && len(lengths) == 0:
		return nil, nil
	case len(codings) > 0 || len(lengths) != 1:
		return nil, errStrict
	}
	n, err := strconv.ParseUint(lengths[0], 10, 20)
	if err != nil {
		return nil, err
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	return b, err
}

func (d *dialect) chunks(r *bufio.Reader) ([]byte, error) {
	var body []byte
	for {
		line, err := d.line(r)
		if err != nil {
			return body, err
		}
		size, _, _ := strings.Cut(line, ";")
		if d.looseChunks {
			size = strings.TrimPrefix(strings.Trim(size, " \t+"), "0x")
		}
		n, err := strconv.ParseUint(size, 16, 20)
		if err != nil {
			return body, err
		}
		if n == 0 {
			_, err := d.fields(r)
			return body, err
		}
		b := make([]byte, n)
		if _, err := io.ReadFull(r, b); err != nil {
			return body, err
		}
		body = append(body, b...)
		after, err := d.line(r)
		if err != nil || after != "" && !d.looseChunks {
			return body, errStrict
		}
	}
}

// service is a backend that reads a dialect and keeps its connections open, whatever
// comes. It answers each request with its target in x-target.
type service struct {
	dialect *dialect
	l       net.Listener
	tasks   sync.WaitGroup
	// answers are raw answers by target.
	answers map[string]string

	mu    sync.Mutex
	seen  []string // targets
	conns []net.Conn
}

func (s *service) run() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.l = l
	s.tasks.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, c)
			s.mu.Unlock()
			s.tasks.Go(func() { s.serve(c) })
		}
	})
	return nil
}

func (s *service) port() uint32 { return uint32(s.l.Addr().(*net.TCPAddr).Port) }

func (s *service) close() {
	_ = s.l.Close()
	s.mu.Lock()
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.tasks.Wait()
}

func (s *service) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	r := bufio.NewReader(c)
	for {
		m, err := s.dialect.read(r)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.seen = append(s.seen, m.target)
		s.mu.Unlock()
		var out bytes.Buffer
		if raw, ok := s.answers[m.target]; ok {
			out.WriteString(raw)
		} else {
			fmt.Fprintf(&out, "HTTP/1.1 200 OK\r\nx-target: %s\r\ncontent-length: 2\r\n\r\n", m.target)
			if m.method != "HEAD" {
				out.WriteString("ok")
			}
		}
		if _, err := c.Write(out.Bytes()); err != nil {
			return
		}
	}
}

// targets returns how often which target was read.
func (s *service) targets() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]int{}
	for _, t := range s.seen {
		out[t]++
	}
	return out
}
