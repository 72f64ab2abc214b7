package square

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/crossgate/crossgate/test/rawhttp"
)

// h2conn is a client's side of an HTTP/2 connection that repairs nothing: what it
// is told to send goes out, and what comes is written down.
type h2conn struct {
	net.Conn
	fr   *http2.Framer
	enc  *hpack.Encoder
	buf  bytes.Buffer
	next uint32
	// limit is how long an answer may take.
	limit time.Duration
	// held is what waits to be sent at once, between hold and release.
	held    bytes.Buffer
	holding bool
}

// Write sends frames, or holds them back.
func (h *h2conn) Write(b []byte) (int, error) {
	if h.holding {
		return h.held.Write(b)
	}
	return h.Conn.Write(b)
}

// hold keeps what is written until release, so that the other side gets it in one piece.
func (h *h2conn) hold() { h.holding = true }

func (h *h2conn) release() {
	h.holding = false
	_, _ = h.held.WriteTo(h.Conn) // a connection that is gone shows when it is read
}

// dialHTTP2 opens a connection to a listener with prior knowledge.
func (c *Corner) dialHTTP2(listener string) (*h2conn, error) {
	if listener == "" {
		listener = c.first
	}
	conn, err := net.DialTimeout("tcp", c.addrs[listener], answerLimit)
	if err != nil {
		return nil, err
	}
	h := &h2conn{Conn: conn, next: 1, limit: answerLimit}
	h.fr = http2.NewFramer(h, conn)
	h.enc = hpack.NewEncoder(&h.buf)
	h.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	h.fr.MaxHeaderListSize = 1 << 20
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		return nil, err
	}
	return h, h.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
}

// notOverHTTP2 are the fields that belong to a connection of HTTP/1.1, and host,
// which is :authority.
var notOverHTTP2 = map[string]bool{
	"host": true, "connection": true, "keep-alive": true, "proxy-connection": true, "transfer-encoding": true, "upgrade": true,
}

// block encodes a head.
func (h *h2conn) block(fields [][2]string) []byte {
	h.buf.Reset()
	for _, f := range fields {
		_ = h.enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}) // a bytes.Buffer takes all
	}
	return bytes.Clone(h.buf.Bytes())
}

// fieldsOf is the head of a request.
func fieldsOf(r *Request, id string) [][2]string {
	host, _ := r.Fields.Get("host")
	out := [][2]string{{":method", r.Method}, {":scheme", "http"}, {":authority", host}, {":path", r.Target}}
	for _, f := range r.Fields {
		if name := strings.ToLower(f.Name); !notOverHTTP2[name] && (name != "te" || f.Value == "trailers") {
			out = append(out, [2]string{name, strings.TrimSpace(f.Value)})
		}
	}
	return append(out, [2]string{rawhttp.IDHeader, id})
}

// send sends a request on a new stream.
func (h *h2conn) send(fields [][2]string, body []byte) (uint32, error) {
	id := h.next
	h.next += 2
	if err := h.fr.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: h.block(fields), EndHeaders: true, EndStream: len(body) == 0,
	}); err != nil {
		return 0, err
	}
	for len(body) > 0 {
		n := min(len(body), 16<<10)
		if err := h.fr.WriteData(id, n == len(body), body[:n]); err != nil {
			return 0, err
		}
		body = body[n:]
	}
	return id, nil
}

// read reads the answer on a stream. What ends it early is in End: the code of a
// reset or of the connection's GOAWAY, or what happened to the connection.
func (h *h2conn) read(id uint32) (r rawhttp.Response) {
	_ = h.SetReadDeadline(time.Now().Add(h.limit))
	goAway := ""
	for {
		f, err := h.fr.ReadFrame()
		if err != nil {
			r.End = ending(err)
			if goAway != "" {
				r.End = goAway
			}
			return r
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = h.fr.WriteSettingsAck()
			}
		case *http2.GoAwayFrame:
			goAway = "goaway " + f.ErrCode.String()
		case *http2.RSTStreamFrame:
			if f.StreamID == id {
				r.End = "reset " + f.ErrCode.String()
				return r
			}
		case *http2.MetaHeadersFrame:
			if f.StreamID == id && h.head(f, &r) {
				return r
			}
		case *http2.DataFrame:
			if f.StreamID == id {
				r.Body = append(r.Body, f.Data()...)
				_ = h.fr.WriteWindowUpdate(0, uint32(max(len(f.Data()), 1)))
				if f.StreamEnded() {
					return r
				}
			}
		}
	}
}

// head takes a head or trailers and reports whether they end the answer.
func (h *h2conn) head(f *http2.MetaHeadersFrame, r *rawhttp.Response) bool {
	var fields rawhttp.Fields
	for _, v := range f.RegularFields() {
		fields = append(fields, rawhttp.Field{Name: v.Name, Value: v.Value})
	}
	status, _ := strconv.Atoi(f.PseudoValue("status"))
	switch {
	case status >= 100 && status < 200:
		r.Informational = append(r.Informational, status)
	case status > 0:
		r.Status, r.Fields = status, fields
	default:
		r.Trailers = fields
	}
	return f.StreamEnded()
}

func ending(err error) string {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return "eof"
	}
	return fmt.Sprint("broken: ", err)
}

// doHTTP2 sends the request over an HTTP/2 connection of its own.
func (c *Corner) doHTTP2(tc *Case) (Answer, error) {
	conn, err := c.dialHTTP2(tc.Listener)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = conn.Close() }()
	id := fmt.Sprintf("%08d", c.ids.Add(1))
	c.desk.Expect(id, tc.Plan)
	stream, err := conn.send(fieldsOf(&tc.Request, id), tc.Request.Body)
	if err != nil {
		return Answer{}, err
	}
	resp := conn.read(stream)
	return Answer{Response: resp, Upstream: c.desk.Take(id)}, nil
}
