package http2

import (
	"io"
	"net"
	"testing"
)

// FuzzClient: whatever a server sends, the client's session ends with the connection,
// and so does each of its streams; an answer that is given out has a status, and no
// more fields than the limit.
func FuzzClient(f *testing.F) {
	settings := []byte{0, 0, 0, 4, 0, 0, 0, 0, 0}
	f.Add(settings)
	f.Add(append(settings[:9:9], 0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88))                                              // :status 200, and no body
	f.Add(append(settings[:9:9], 0, 0, 1, 1, 4, 0, 0, 0, 3, 0x88, 0, 0, 2, 0, 1, 0, 0, 0, 3, 'h', 'i'))         // with a body
	f.Add(append(settings[:9:9], 0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88, 0, 0, 1, 1, 5, 0, 0, 0, 1, 0x8f))             // trailers that are none
	f.Add(append(settings[:9:9], 0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0)) // a reset, a GOAWAY
	f.Add(append(settings[:9:9], 0, 0, 1, 1, 0, 0, 0, 0, 1, 0x88, 0, 0, 1, 9, 4, 0, 0, 0, 1, 0x8f))             // in two pieces
	f.Add(append(settings[:9:9], 0, 0, 5, 5, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0x82))                                  // a push, which nobody asked for
	f.Fuzz(func(t *testing.T, data []byte) {
		a, b := net.Pipe()
		go func() {
			_, _ = a.Write(data)
			_ = a.Close()
		}()
		go func() { _, _ = io.Copy(io.Discard, a) }()
		s := NewClient(b, Options{MaxHeaders: 8, MaxHeaderBytes: 1 << 10})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = s.Run(nil)
		}()
		for range 2 {
			st, err := s.Open(&Head{Method: []byte("GET"), Scheme: []byte("http"), Authority: []byte("a"), Path: []byte("/")}, true)
			if err != nil {
				break
			}
			if err = st.ReadHead(); err == nil {
				if h := st.Head(); h.Status < 100 || h.Status > 999 || len(h.Headers.Fields) > 8 {
					t.Errorf("an answer of status %d with %d fields", h.Status, len(h.Headers.Fields))
				}
			}
			for err == nil {
				_, err = st.Next(true)
			}
			st.Close()
		}
		<-ended
	})
}
