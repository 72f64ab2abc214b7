package devkit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/net/http/httpguts"
)

// The limits of the demo backend.
const (
	// MaxEchoBody is how many bytes of a request's body an answer repeats.
	MaxEchoBody = 64 << 10
	// MaxEchoDelay is the longest ?delay=.
	MaxEchoDelay = time.Minute
	// MaxEchoSize is the largest ?size=, in bytes.
	MaxEchoSize = 16 << 30

	echoHeaderTimeout = 10 * time.Second
	echoIdleTimeout   = 2 * time.Minute
	echoMaxHeader     = 64 << 10
)

// Echo is the demo backend: it answers a request with a description of it in
// JSON. The query of the request controls the answer:
//
//	status=503              its status, 200 to 599
//	delay=200ms             how long it waits before it answers, up to a minute
//	size=1048576            that many bytes instead of the description
//	header=x-powered-by:me  one more header field; may be repeated
//
// net/http keeps header fields in a map, so the order they came in, and the
// case of their names, cannot be told; a test that needs them uses a raw socket.
type Echo struct {
	// Log gets a record of every request before it is answered. Nil: none.
	Log *slog.Logger
}

// echoed is the answer's JSON.
type echoed struct {
	Method   string `json:"method"`
	Path     string `json:"path"`
	Query    string `json:"query,omitempty"`
	Host     string `json:"host"`
	Protocol string `json:"protocol"`
	Remote   string `json:"remote"`
	// Headers has lower-case names; every line of a repeated field is one
	// element.
	Headers   map[string][]string `json:"headers"`
	Body      string              `json:"body,omitempty"`
	BodyBytes int64               `json:"bodyBytes"`
}

// ServeHTTP answers one request.
func (e Echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if e.Log != nil {
		e.Log.Info("request", "method", r.Method, "host", r.Host, "target", r.RequestURI)
	}
	ctl, err := parseControls(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	body, n, err := readBody(r.Body)
	if err != nil {
		return // the client went away: there is nobody to answer
	}
	if ctl.delay > 0 {
		select {
		case <-time.After(ctl.delay):
		case <-r.Context().Done():
			return
		}
	}
	for _, h := range ctl.headers {
		w.Header().Add(h[0], h[1])
	}
	if ctl.size >= 0 {
		writeFill(w, ctl)
		return
	}
	writeEcho(w, ctl.status, describe(r, body, n))
}

func describe(r *http.Request, body []byte, n int64) echoed {
	e := echoed{
		Method:    r.Method,
		Path:      r.URL.EscapedPath(),
		Query:     r.URL.RawQuery,
		Host:      r.Host,
		Protocol:  r.Proto,
		Remote:    r.RemoteAddr,
		Headers:   make(map[string][]string, len(r.Header)),
		BodyBytes: n,
	}
	for name, values := range r.Header {
		e.Headers[strings.ToLower(name)] = values
	}
	if utf8.Valid(body) {
		e.Body = string(body)
	}
	return e
}

// readBody reads the whole body and returns its beginning and its length.
func readBody(r io.Reader) ([]byte, int64, error) {
	head, err := io.ReadAll(io.LimitReader(r, MaxEchoBody))
	if err != nil {
		return nil, 0, err
	}
	rest, err := io.Copy(io.Discard, r)
	return head, int64(len(head)) + rest, err
}

func writeEcho(w http.ResponseWriter, status int, e echoed) {
	out, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	out = append(out, '\n')
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	if status != http.StatusNoContent && status != http.StatusNotModified {
		w.Write(out) //nolint:errcheck // the client went away
	}
}

// writeFill writes a body of the size asked for without holding it in memory.
func writeFill(w http.ResponseWriter, ctl controls) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(ctl.size, 10))
	w.WriteHeader(ctl.status)
	block := make([]byte, 64<<10)
	for left := ctl.size; left > 0; {
		n, err := w.Write(block[:min(left, int64(len(block)))])
		if err != nil {
			return
		}
		left -= int64(n)
	}
}

// controls are what the query of a request asks of its answer.
type controls struct {
	status  int
	delay   time.Duration
	size    int64 // -1: the description
	headers [][2]string
}

func parseControls(q url.Values) (controls, error) {
	c := controls{status: http.StatusOK, size: -1}
	var err error
	if s := q.Get("status"); s != "" {
		if c.status, err = strconv.Atoi(s); err != nil || c.status < 200 || c.status > 599 {
			return c, fmt.Errorf("status=%s: want a number from 200 to 599", s)
		}
	}
	if s := q.Get("delay"); s != "" {
		if c.delay, err = time.ParseDuration(s); err != nil || c.delay < 0 || c.delay > MaxEchoDelay {
			return c, fmt.Errorf("delay=%s: want a duration such as 200ms, up to %s", s, MaxEchoDelay)
		}
	}
	if s := q.Get("size"); s != "" {
		if c.size, err = strconv.ParseInt(s, 10, 64); err != nil || c.size < 0 || c.size > MaxEchoSize {
			return c, fmt.Errorf("size=%s: want a number of bytes up to %d", s, int64(MaxEchoSize))
		}
	}
	for _, h := range q["header"] {
		name, value, ok := strings.Cut(h, ":")
		value = strings.TrimSpace(value)
		if !ok || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return c, fmt.Errorf("header=%q: want name:value", h)
		}
		c.headers = append(c.headers, [2]string{name, value})
	}
	return c, nil
}

// Serve answers on ln, over HTTP/1.1 and over HTTP/2 without
// TLS (prior knowledge), until ctx ends; then it lets running requests finish
// for at most drain. It closes ln. Log gets what goes wrong with connections.
func (e Echo) Serve(ctx context.Context, ln net.Listener, drain time.Duration, log *slog.Logger) error {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	srv := &http.Server{
		Handler:           e,
		Protocols:         &protocols,
		ReadHeaderTimeout: echoHeaderTimeout,
		IdleTimeout:       echoIdleTimeout,
		MaxHeaderBytes:    echoMaxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	select {
	case err := <-served:
		return fmt.Errorf("echo: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	err := srv.Shutdown(stop)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close()
	}
	<-served
	return err
}
