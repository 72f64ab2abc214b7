package http2

import (
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
)

// timed runs a server on one end of a pipe and gives the other end's framer; what
// it takes until the end of the connection is sent to the channel.
func timed(o Options) (*http2.Framer, net.Conn, <-chan time.Duration) {
	a, b := net.Pipe()
	ended := make(chan time.Duration, 1)
	begin := time.Now()
	go func() {
		_ = NewServer(b, o, func(st *Stream) { st.Close() }).Run([]byte(Preface))
		ended <- time.Since(begin)
	}()
	return http2.NewFramer(a, a), a, ended
}

// TestKeepalive: as long as the other side answers the connection stays, and once
// it is silent the connection ends after the timeout.
func TestKeepalive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, a, ended := timed(Options{KeepaliveInterval: 10 * time.Second, KeepaliveTimeout: time.Second})
		begin := time.Now()
		for pings := 0; pings < 5; {
			f, err := p.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			if f, ok := f.(*http2.PingFrame); ok {
				pings++
				if err := p.WritePing(true, f.Data); err != nil {
					t.Fatal(err)
				}
			}
		}
		answered := time.Since(begin)
		if answered < 50*time.Second || answered > 58*time.Second {
			t.Errorf("5 PINGs came in %v, want 10 to 11.5 s each", answered)
		}
		for {
			if _, err := p.ReadFrame(); err != nil {
				break
			}
		}
		if d := <-ended - answered; d < 11*time.Second || d > 12500*time.Millisecond {
			t.Errorf("the end came %v after the last answer, want the interval and a second", d)
		}
		_ = a.Close()
	})
}

// TestPingsDoNotPreventIdle: the idle timeout is about requests.
func TestPingsDoNotPreventIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, a, ended := timed(Options{IdleTimeout: time.Minute})
		var tasks sync.WaitGroup
		defer tasks.Wait()
		tasks.Go(func() {
			for {
				if err := p.WritePing(false, [8]byte{}); err != nil {
					return
				}
				time.Sleep(10 * time.Second)
			}
		})
		for {
			if _, err := p.ReadFrame(); err != nil {
				break
			}
		}
		if d := <-ended; d != time.Minute {
			t.Errorf("the connection ended after %v, want its minute", d)
		}
		_ = a.Close()
	})
}

// TestGoodbyeIsShort: who breaks the rules and reads nothing is not waited for as
// long as a slow reader.
func TestGoodbyeIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, a, ended := timed(Options{})
		for range 2 { // SETTINGS, WINDOW_UPDATE
			if _, err := p.ReadFrame(); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if err := p.WriteRawFrame(http2.FrameData, 0, 0, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if d := <-ended; d != goodbyeTime {
			t.Errorf("the connection ended after %v, want %v", d, goodbyeTime)
		}
		_ = a.Close()
	})
}
