package http2

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/crossgate/crossgate/internal/header"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// link is two ends of a TCP connection.
func link(t testing.TB) (a, b net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if a, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b
}

// serve runs a server on one end; the returned function waits for its end.
func serve(t testing.TB, nc net.Conn, o Options, handle func(*Stream)) (*Session, func() error) {
	t.Helper()
	var tasks sync.WaitGroup
	s := NewServer(nc, o, func(st *Stream) {
		tasks.Go(func() {
			defer st.Close()
			handle(st)
		})
	})
	done := make(chan error, 1)
	go func() {
		err := s.Run(nil)
		tasks.Wait()
		done <- err
	}()
	var once sync.Once
	var result error
	wait := func() error {
		once.Do(func() {
			select {
			case result = <-done:
			case <-time.After(10 * time.Second):
				t.Error("the session does not end")
			}
		})
		return result
	}
	t.Cleanup(func() {
		s.Close()
		_ = wait()
	})
	return s, wait
}

// echo answers with the request's body and, as trailers, what it was asked for.
func echo(st *Stream) {
	h := header.List{}
	h.Add([]byte("x-path"), st.Head().Path)
	if st.WriteHead(200, &h, false) != nil {
		return
	}
	for {
		data, err := st.Next(true)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || st.Write(data, false) != nil {
			return
		}
	}
	trailers := header.List{}
	trailers.Add([]byte("x-end"), []byte("1"))
	_ = st.WriteTrailers(&trailers) // the client may have gone
}

// TestQuickResets: a stream that is reset before Open has returned was opened all the
// same. Whoever took the error for a connection that takes none would ask twice.
func TestQuickResets(t *testing.T) {
	a, b := link(t)
	serve(t, b, Options{}, func(st *Stream) { st.Reset(InternalError) })
	client := NewClient(a, Options{})
	ended := make(chan error, 1)
	go func() { ended <- client.Run(nil) }()
	for range 500 {
		st, err := client.Open(&Head{Method: []byte("GET"), Scheme: []byte("http"), Authority: []byte("a.test"), Path: []byte("/p")}, true)
		if err != nil {
			t.Fatalf("a stream is not opened: %v", err)
		}
		var reset *ResetError
		if err := st.ReadHead(); !errors.As(err, &reset) || !reset.Remote {
			t.Fatalf("the answer: %v", err)
		}
		st.Close()
	}
	client.Close()
	<-ended
}

// TestBothSides: bodies larger than every window pass between our two sides, on
// several streams at once, with trailers.
func TestBothSides(t *testing.T) {
	a, b := link(t)
	serve(t, b, Options{StreamWindow: 20 << 10, ConnectionWindow: 50 << 10}, echo)
	client := NewClient(a, Options{StreamWindow: 10 << 10, ConnectionWindow: 70 << 10})
	ended := make(chan error, 1)
	go func() { ended <- client.Run(nil) }()
	var tasks sync.WaitGroup
	for i := range 5 {
		tasks.Go(func() {
			body := bytes.Repeat([]byte{byte('a' + i)}, 300_000)
			st, err := client.Open(&Head{Method: []byte("POST"), Scheme: []byte("http"), Authority: []byte("a.test"), Path: []byte("/p")}, false)
			if err != nil {
				t.Error(err)
				return
			}
			defer st.Close()
			tasks.Go(func() {
				if err := st.Write(body, true); err != nil {
					t.Error(err)
				}
			})
			if err := st.ReadHead(); err != nil || st.Head().Status != 200 {
				t.Errorf("head: %v %+v", err, st.Head())
				return
			}
			var got []byte
			for {
				data, err := st.Next(true)
				got = append(got, data...)
				if err != nil {
					if !errors.Is(err, io.EOF) {
						t.Error(err)
					}
					break
				}
			}
			if !bytes.Equal(got, body) {
				t.Errorf("%d bytes came back, want %d", len(got), len(body))
			}
			if v, _ := st.Trailers().Get("x-end"); string(v) != "1" {
				t.Errorf("trailers %+v", st.Trailers())
			}
		})
	}
	tasks.Wait()
	client.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// peer is a client made of an independent framer.
type peer struct {
	*http2.Framer
	nc  net.Conn
	t   *testing.T
	buf bytes.Buffer
	enc *hpack.Encoder
}

func newPeer(t *testing.T, nc net.Conn) *peer {
	p := &peer{Framer: http2.NewFramer(nc, nc), nc: nc, t: t}
	p.AllowIllegalWrites = true
	p.enc = hpack.NewEncoder(&p.buf)
	_, _ = io.WriteString(nc, http2.ClientPreface)
	_ = p.WriteSettings()
	return p
}

func (p *peer) get(id uint32) {
	p.buf.Reset()
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "a.test"}, {":path", "/"}} {
		_ = p.enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.buf.Bytes(), EndStream: true, EndHeaders: true})
}

// until reads frames until one is accepted; the connection's end is nil.
func (p *peer) until(accept func(http2.Frame) bool) http2.Frame {
	_ = p.nc.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		f, err := p.ReadFrame()
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				p.t.Error("no such frame came")
			}
			return nil
		}
		if accept(f) {
			return f
		}
	}
}

func isReset(f http2.Frame) bool  { _, ok := f.(*http2.RSTStreamFrame); return ok }
func isGoAway(f http2.Frame) bool { _, ok := f.(*http2.GoAwayFrame); return ok }

// TestFloods: what costs a client nothing is bounded.
func TestFloods(t *testing.T) {
	for name, flood := range map[string]func(p *peer){
		"settings":      func(p *peer) { _ = p.WriteSettings() },
		"pings":         func(p *peer) { _ = p.WritePing(false, [8]byte{}) },
		"priorities":    func(p *peer) { _ = p.WritePriority(9, http2.PriorityParam{}) },
		"window":        func(p *peer) { _ = p.WriteWindowUpdate(0, 1) },
		"empty data":    func(p *peer) { _ = p.WriteData(1, false, nil) },
		"continuations": func(p *peer) { _ = p.WriteContinuation(3, false, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := link(t)
			_, wait := serve(t, b, Options{}, func(st *Stream) { _, _ = st.Next(true) })
			p := newPeer(t, a)
			p.buf.Reset()
			switch name {
			case "empty data":
				_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82, 0x86, 0x84, 0x41, 1, 'a'}, EndHeaders: true})
			case "continuations":
				_ = p.WriteHeaders(http2.HeadersFrameParam{StreamID: 3})
			}
			go func() {
				for range maxIdleFrames + maxPendingControl + 10 {
					flood(p)
				}
			}()
			if f, ok := p.until(isGoAway).(*http2.GoAwayFrame); ok && f.ErrCode != http2.ErrCodeEnhanceYourCalm {
				t.Errorf("GOAWAY with %v", f.ErrCode)
			}
			_ = a.Close()
			var fault *ConnectionError
			if err := wait(); !errors.As(err, &fault) || fault.Code != EnhanceYourCalm {
				t.Errorf("the session ended with %v", err)
			}
		})
	}
}

// TestEarlyResets: requests that are taken back at once are bounded.
func TestEarlyResets(t *testing.T) {
	a, b := link(t)
	_, wait := serve(t, b, Options{}, func(st *Stream) {
		done := make(chan struct{})
		st.OnAbort(func() { close(done) })
		<-done
	})
	p := newPeer(t, a)
	go func() {
		for i := range uint32(earlyStreams/2 + 1) {
			p.get(2*i + 1)
			_ = p.WriteRSTStream(2*i+1, http2.ErrCodeCancel)
		}
	}()
	p.until(isGoAway)
	_ = a.Close()
	var fault *ConnectionError
	if err := wait(); !errors.As(err, &fault) || fault.Code != EnhanceYourCalm {
		t.Errorf("the session ended with %v", err)
	}
}

// TestSomeEarlyResets: a client that lives long and takes back a request now and
// then is no flood, however many come together.
func TestSomeEarlyResets(t *testing.T) {
	a, b := link(t)
	_, wait := serve(t, b, Options{}, func(st *Stream) {
		if st.ID()%6 == 5 {
			done := make(chan struct{})
			st.OnAbort(func() { close(done) })
			<-done
			return
		}
		_ = st.WriteHead(204, nil, true)
	})
	p := newPeer(t, a)
	id := uint32(1)
	for range earlyStreams + 100 {
		for range 2 {
			p.get(id)
			p.until(func(f http2.Frame) bool {
				if isGoAway(f) {
					t.Fatalf("stream %d: %v", id, f)
				}
				h, ok := f.(*http2.HeadersFrame)
				return ok && h.StreamID == id
			})
			id += 2
		}
		p.get(id)
		_ = p.WriteRSTStream(id, http2.ErrCodeCancel)
		id += 2
	}
	_ = a.Close()
	_ = wait()
}

// TestClientLimit: a client opens no more streams than it was told to, whatever
// the server permits.
func TestClientLimit(t *testing.T) {
	a, b := link(t)
	serve(t, b, Options{}, echo)
	s := NewClient(a, Options{MaxConcurrentStreams: 2})
	done := make(chan error, 1)
	go func() { done <- s.Run(nil) }()
	head := Head{Method: []byte("POST"), Scheme: []byte("http"), Authority: []byte("a"), Path: []byte("/")}
	for range 2 {
		if _, err := s.Open(&head, false); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Open(&head, false); !errors.Is(err, ErrStreamLimit) || s.Usable() {
		t.Errorf("the third stream: %v", err)
	}
	s.Close()
	<-done
}

// TestTooManyStreams: what is beyond the limit is refused, and the others go on.
func TestTooManyStreams(t *testing.T) {
	a, b := link(t)
	let := make(chan struct{})
	s, wait := serve(t, b, Options{MaxConcurrentStreams: 2}, func(st *Stream) {
		<-let
		_ = st.WriteHead(204, nil, true)
	})
	p := newPeer(t, a)
	p.get(1)
	p.get(3)
	p.get(5)
	f, ok := p.until(isReset).(*http2.RSTStreamFrame)
	if !ok || f.StreamID != 5 || f.ErrCode != http2.ErrCodeRefusedStream {
		t.Fatalf("stream 5: %v", f)
	}
	close(let)
	answered := 0
	p.until(func(f http2.Frame) bool {
		if _, ok := f.(*http2.HeadersFrame); ok {
			answered++
		}
		return answered == 2
	})
	s.GoAway()
	p.until(isGoAway)
	if err := wait(); err != nil {
		t.Errorf("an orderly end: %v", err)
	}
}

// TestWriteWaits: a client that gives no room bounds what is kept for it, and the
// write ends at its deadline.
func TestWriteWaits(t *testing.T) {
	a, b := link(t)
	failed := make(chan error, 1)
	serve(t, b, Options{}, func(st *Stream) {
		_ = st.WriteHead(200, nil, false)
		st.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		failed <- st.Write(make([]byte, 1<<20), true)
	})
	p := newPeer(t, a)
	p.get(1)
	got := 0
	p.until(func(f http2.Frame) bool {
		if d, ok := f.(*http2.DataFrame); ok {
			got += len(d.Data())
		}
		return isReset(f)
	})
	if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the write ended with %v", err)
	}
	if got != defaultWindow {
		t.Errorf("%d bytes came, want the window's %d", got, defaultWindow)
	}
}

// FuzzServer: whatever a client sends, the session ends with the connection and
// nothing panics.
func FuzzServer(f *testing.F) {
	f.Add([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0})
	f.Add([]byte{0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 1, 'a', 0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		a, b := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, a) }()
		go func() {
			_, _ = a.Write(append([]byte(Preface), data...))
			_ = a.Close()
		}()
		var tasks sync.WaitGroup
		s := NewServer(b, Options{}, func(st *Stream) {
			tasks.Go(func() {
				defer st.Close()
				echo(st)
			})
		})
		_ = s.Run(nil)
		tasks.Wait()
	})
}
