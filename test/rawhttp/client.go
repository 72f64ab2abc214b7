package rawhttp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Response is one answer as it came.
type Response struct {
	// Line is the status line, Status the code in it; 0 when none came.
	Line   string
	Status int
	// Informational are the 1xx answers before the final one.
	Informational []int
	Fields        Fields
	Body          []byte
	Trailers      Fields
	// End tells what ended the answer early: "eof", "reset", "timeout" or "bad
	// answer"; with a Status, the body was cut short. Empty: it is complete.
	End string
}

// Conn is a client connection. It is not safe for concurrent use.
type Conn struct {
	net.Conn
	r *bufio.Reader
	// Timeout bounds each answer.
	Timeout time.Duration
}

// Dial connects to addr.
func Dial(addr string, timeout time.Duration) (*Conn, error) {
	c, err := net.DialTimeout("tcp", addr, timeout)
	if err != nil {
		return nil, fmt.Errorf("rawhttp: %w", err)
	}
	return NewConn(c, timeout), nil
}

// NewConn makes a client of an open connection, a TLS one for example.
func NewConn(c net.Conn, timeout time.Duration) *Conn {
	return &Conn{Conn: c, r: bufio.NewReader(c), Timeout: timeout}
}

// Do writes the bytes of one request and reads its answer. The method tells
// whether the answer has a body.
func (c *Conn) Do(request []byte, method string) Response {
	_ = c.SetDeadline(time.Now().Add(c.Timeout))
	_, werr := c.Write(request)
	// A proxy may answer and close before it has read everything: the answer
	// counts, not the failed write.
	resp := c.read(method)
	if werr != nil && resp.Status == 0 {
		resp.End = ending(werr)
	}
	return resp
}

// Reusable reports whether the connection can carry another request after resp.
func (resp *Response) Reusable() bool {
	v, _ := resp.Fields.Get("connection")
	return resp.End == "" && resp.Status >= 200 && !strings.EqualFold(v, "close")
}

func (c *Conn) read(method string) Response {
	var resp Response
	var err error
	for {
		if resp.Line, err = readLine(c.r); err != nil {
			return Response{End: ending(err), Body: []byte(resp.Line)}
		}
		words := strings.SplitN(resp.Line, " ", 3)
		if len(words) < 2 {
			return Response{Line: resp.Line, End: "bad answer"}
		}
		if resp.Status, err = strconv.Atoi(words[1]); err != nil {
			return Response{Line: resp.Line, End: "bad answer"}
		}
		if resp.Fields, err = readFields(c.r); err != nil {
			resp.End = ending(err)
			return resp
		}
		if resp.Status >= 200 || resp.Status == 101 {
			break
		}
		resp.Informational = append(resp.Informational, resp.Status)
	}
	if method == "HEAD" || resp.Status == 101 || resp.Status == 204 || resp.Status == 304 {
		return resp
	}
	if err := c.readBody(&resp); err != nil {
		resp.End = ending(err)
	}
	return resp
}

func (c *Conn) readBody(resp *Response) (err error) {
	if te, _ := resp.Fields.Get("transfer-encoding"); strings.EqualFold(te, "chunked") {
		resp.Body, resp.Trailers, err = readChunked(c.r)
		return err
	}
	if cl, ok := resp.Fields.Get("content-length"); ok {
		n, err := strconv.Atoi(cl)
		if err != nil || n < 0 {
			return fmt.Errorf("rawhttp: content-length %q", cl)
		}
		resp.Body, err = readSized(c.r, nil, n)
		return err
	}
	resp.Body, err = io.ReadAll(io.LimitReader(c.r, maxBody))
	return err
}

// ending names the way in which a connection ended.
func ending(err error) string {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "eof"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return "reset"
	}
	return "bad answer"
}

// Reader reads what follows the last answer, as a tunnel's bytes do.
func (c *Conn) Reader() io.Reader { return c.r }
