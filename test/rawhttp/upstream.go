package rawhttp

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// IDHeader names the request a Plan is for and a Request is recorded under. It
// is the one header that a test adds to what it sends.
const IDHeader = "x-case-id"

// Plan tells an upstream how to answer the requests with one id. The zero Plan
// answers 200 with DefaultBody.
type Plan struct {
	Status int // 0 means 200
	// Fields are written after the upstream's own content-type line.
	Fields Fields
	// Body is the answer's body; nil means DefaultBody.
	Body []byte
	// Chunked sends the body in one chunk, then Trailers.
	Chunked  bool
	Trailers Fields
	// Sleep is how long the upstream waits before it answers.
	Sleep time.Duration
	// Close ends the connection "before" the answer or in the "middle" of its
	// body.
	Close string
	// Raw replaces the whole answer; the connection is closed after it.
	Raw []byte
	// FailFirst is how many of the requests with this id fail before the plan
	// applies: with FailStatus, or by closing the connection if that is 0.
	FailFirst, FailStatus int
}

// DefaultBody is what an upstream answers when its plan names no body.
const DefaultBody = "hello from the upstream\n"

// Request is what an upstream received.
type Request struct {
	Upstream              string // the name of the upstream
	Method, Target, Proto string
	Fields                Fields // without IDHeader
	Body                  []byte
	Trailers              Fields
}

// Desk holds the plans and the records of any number of upstreams. It is safe
// for concurrent use.
type Desk struct {
	mu    sync.Mutex
	plans map[string]Plan
	seen  map[string][]Request
}

// NewDesk returns an empty desk.
func NewDesk() *Desk {
	return &Desk{plans: map[string]Plan{}, seen: map[string][]Request{}}
}

// Expect sets the plan for the requests with the id.
func (d *Desk) Expect(id string, p Plan) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.plans[id] = p
}

// Take returns the requests received with the id, and forgets them and the plan.
func (d *Desk) Take(id string) []Request {
	d.mu.Lock()
	defer d.mu.Unlock()
	seen := d.seen[id]
	delete(d.seen, id)
	delete(d.plans, id)
	return seen
}

// record keeps the request if a plan exists for it, and returns that plan and
// how many requests with the id there were.
func (d *Desk) record(id string, r Request) (Plan, int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.plans[id]
	if !ok {
		return Plan{}, 1
	}
	d.seen[id] = append(d.seen[id], r)
	return p, len(d.seen[id])
}

// Upstream is an HTTP/1.1 server that records what it receives, byte for byte,
// and answers as the plan of the request's id says.
type Upstream struct {
	name string
	desk *Desk
	l    net.Listener
	wg   sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool // nil once closed
}

// Listen starts an upstream with the name on a free port of the loopback.
func Listen(name string, desk *Desk) (*Upstream, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("rawhttp: %w", err)
	}
	u := &Upstream{name: name, desk: desk, l: l, conns: map[net.Conn]bool{}}
	u.wg.Go(u.accept)
	return u, nil
}

// Port returns the port that the upstream listens on.
func (u *Upstream) Port() int { return u.l.Addr().(*net.TCPAddr).Port }

// Close stops the upstream, closes its connections and waits for its goroutines.
func (u *Upstream) Close() {
	_ = u.l.Close()
	u.mu.Lock()
	for c := range u.conns {
		_ = c.Close()
	}
	u.conns = nil
	u.mu.Unlock()
	u.wg.Wait()
}

func (u *Upstream) accept() {
	for {
		c, err := u.l.Accept()
		if err != nil {
			return
		}
		if !u.add(c) {
			_ = c.Close()
			return
		}
		u.wg.Go(func() {
			defer u.remove(c)
			r := bufio.NewReader(c)
			for u.serve(c, r) {
			}
		})
	}
}

func (u *Upstream) add(c net.Conn) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.conns == nil {
		return false
	}
	u.conns[c] = true
	return true
}

func (u *Upstream) remove(c net.Conn) {
	u.mu.Lock()
	delete(u.conns, c)
	u.mu.Unlock()
	_ = c.Close()
}

// serve answers one request and reports whether the connection lives on.
func (u *Upstream) serve(c net.Conn, r *bufio.Reader) bool {
	req, id, err := readRequest(r)
	if err != nil {
		return false
	}
	req.Upstream = u.name
	plan, try := u.desk.record(id, req)
	time.Sleep(plan.Sleep)
	status := plan.Status
	switch {
	case plan.Close == "before":
		return false
	case try <= plan.FailFirst && plan.FailStatus == 0:
		return false
	case try <= plan.FailFirst:
		status = plan.FailStatus
	case plan.Raw != nil:
		_, _ = c.Write(plan.Raw)
		return false
	}
	_, err = c.Write(plan.answer(status, req.Method))
	return err == nil && plan.Close == ""
}

func readRequest(r *bufio.Reader) (req Request, id string, err error) {
	line, err := readLine(r)
	if err != nil {
		return req, "", err
	}
	words := strings.SplitN(line, " ", 3)
	if len(words) != 3 {
		return req, "", fmt.Errorf("rawhttp: request line %q", line)
	}
	req.Method, req.Target, req.Proto = words[0], words[1], words[2]
	if req.Fields, err = readFields(r); err != nil {
		return req, "", err
	}
	id, _ = req.Fields.Get(IDHeader)
	req.Fields = req.Fields.Without(IDHeader)
	if te, _ := req.Fields.Get("transfer-encoding"); strings.EqualFold(te, "chunked") {
		req.Body, req.Trailers, err = readChunked(r)
	} else if cl, ok := req.Fields.Get("content-length"); ok {
		n, cerr := strconv.Atoi(cl)
		if cerr != nil || n < 0 {
			return req, "", fmt.Errorf("rawhttp: content-length %q", cl)
		}
		req.Body, err = readSized(r, nil, n)
	}
	return req, id, err
}

// answer returns the bytes of the answer to a request with the method.
func (p Plan) answer(status int, method string) []byte {
	if status == 0 {
		status = 200
	}
	body := p.Body
	if body == nil {
		body = []byte(DefaultBody)
	}
	b := fmt.Appendf(nil, "HTTP/1.1 %d X\r\ncontent-type: text/plain\r\n", status)
	for _, f := range p.Fields {
		b = fmt.Appendf(b, "%s: %s\r\n", f.Name, f.Value)
	}
	switch {
	case status == 204 || status == 304:
		return append(b, "\r\n"...)
	case p.Close == "middle":
		b = fmt.Appendf(b, "content-length: %d\r\n\r\n", len(body))
		return append(b, body[:len(body)/2]...)
	case p.Chunked:
		b = append(b, "transfer-encoding: chunked\r\n\r\n"...)
		if method == "HEAD" {
			return b
		}
		b = fmt.Appendf(b, "%x\r\n%s\r\n0\r\n", len(body), body)
		for _, f := range p.Trailers {
			b = fmt.Appendf(b, "%s: %s\r\n", f.Name, f.Value)
		}
		return append(b, "\r\n"...)
	}
	b = fmt.Appendf(b, "content-length: %d\r\n\r\n", len(body))
	if method == "HEAD" {
		return b
	}
	return append(b, body...)
}

// Seen counts the requests with the id that have come.
func (d *Desk) Seen(id string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.seen[id])
}
