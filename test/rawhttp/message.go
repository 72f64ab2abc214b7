package rawhttp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Field is one header line as it was on the wire: the name in its case, the
// value without the blanks around it.
type Field struct{ Name, Value string }

// Fields are header lines in their order.
type Fields []Field

// Get returns the value of the first line with the name, in any case.
func (f Fields) Get(name string) (string, bool) {
	for _, l := range f {
		if strings.EqualFold(l.Name, name) {
			return l.Value, true
		}
	}
	return "", false
}

// Without returns the lines with another name.
func (f Fields) Without(name string) Fields {
	out := make(Fields, 0, len(f))
	for _, l := range f {
		if !strings.EqualFold(l.Name, name) {
			out = append(out, l)
		}
	}
	return out
}

// maxBody bounds what is kept of one message; a test that needs more streams.
const maxBody = 64 << 20

var errTooLong = errors.New("rawhttp: message too long")

// readLine returns the next line without its end (CRLF or LF).
func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		if err == io.EOF && line != "" {
			err = io.ErrUnexpectedEOF
		}
		return line, err
	}
	return strings.TrimSuffix(line[:len(line)-1], "\r"), nil
}

// readFields reads header or trailer lines up to the empty line. A line without
// a colon is kept as a field with an empty value: the reader judges nothing.
func readFields(r *bufio.Reader) (Fields, error) {
	var out Fields
	for {
		line, err := readLine(r)
		if err != nil {
			return out, err
		}
		if line == "" {
			return out, nil
		}
		name, value, _ := strings.Cut(line, ":")
		out = append(out, Field{name, strings.Trim(value, " \t")})
	}
}

// readChunked reads a chunked body and its trailers.
func readChunked(r *bufio.Reader) (body []byte, trailers Fields, err error) {
	for {
		line, err := readLine(r)
		if err != nil {
			return body, nil, err
		}
		size, _, _ := strings.Cut(line, ";")
		n, err := strconv.ParseUint(strings.TrimSpace(size), 16, 32)
		if err != nil {
			return body, nil, fmt.Errorf("rawhttp: chunk size %q: %w", line, err)
		}
		if n == 0 {
			trailers, err = readFields(r)
			return body, trailers, err
		}
		if len(body)+int(n) > maxBody {
			return body, nil, errTooLong
		}
		if body, err = readSized(r, body, int(n)); err != nil {
			return body, nil, err
		}
		if _, err := readLine(r); err != nil {
			return body, nil, err
		}
	}
}

// readSized appends the next n bytes to body. What came before an early end is
// kept.
func readSized(r *bufio.Reader, body []byte, n int) ([]byte, error) {
	if len(body)+n > maxBody {
		return body, errTooLong
	}
	buf := bytes.NewBuffer(body)
	if _, err := io.CopyN(buf, r, int64(n)); err != nil {
		return buf.Bytes(), io.ErrUnexpectedEOF
	}
	return buf.Bytes(), nil
}
