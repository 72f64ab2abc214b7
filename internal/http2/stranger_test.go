package http2

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// TestAServerOfHTTP1: whoever answers the preface in HTTP/1.1, and goes at once with what
// follows unread, does not speak HTTP/2. Streams are told so whenever they were opened, for
// it is no fault of the connection.
func TestAServerOfHTTP1(t *testing.T) {
	for i := range 300 {
		a, b := link(t)
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			_, _ = io.ReadFull(b, make([]byte, len(Preface)))
			_, _ = io.WriteString(b, "HTTP/1.1 505 HTTP Version Not Supported\r\nConnection: close\r\n\r\n")
			_ = b.(*net.TCPConn).SetLinger(0) // a reset follows
			b.Close()
		}()
		s := NewClient(a, Options{})
		done := make(chan error)
		go func() { done <- s.Run(nil) }()
		switch i % 4 {
		case 1:
			time.Sleep(time.Duration(i) * time.Microsecond)
		case 2:
			<-gone
		case 3:
			<-gone
			time.Sleep(time.Millisecond)
		}
		st, err := s.Open(&Head{Method: []byte("GET"), Scheme: []byte("http"), Authority: []byte("a.test"), Path: []byte("/")}, true)
		if err == nil {
			err = st.ReadHead()
			st.Close()
		}
		var fault *ConnectionError
		if !errors.As(err, &fault) {
			t.Errorf("%d: %v", i, err)
		}
		s.Close()
		<-done
	}
}
