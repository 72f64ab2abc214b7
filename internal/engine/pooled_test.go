package engine

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// serve runs a service whose connections the functions answer, in their order.
func serve(t *testing.T, conns ...func(c *net.TCPConn)) (port int) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, answer := range conns {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			answer(c.(*net.TCPConn))
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
	return ln.Addr().(*net.TCPAddr).Port
}

// behind is a bootstrap for the service at the port.
func behind(port int, options string) string {
	return strings.ReplaceAll(bootstrap(options, plainRoute, ""), "UP}", fmt.Sprintf("%d}", port))
}

func readHead(r *bufio.Reader) error {
	for {
		line, err := r.ReadString('\n')
		if err != nil || line == "\r\n" {
			return err
		}
	}
}

// TestAPooledConnectionThatIsResetIsNotTheRequestsFault: a service that closes a
// connection of the pool without having read the request gets it again, if it
// changes nothing.
func TestAPooledConnectionThatIsResetIsNotTheRequestsFault(t *testing.T) {
	first := func(c *net.TCPConn) {
		if readHead(bufio.NewReader(c)) != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\none")
		_, _ = c.Read(make([]byte, 1)) // what is left unread makes a reset of the close
	}
	second := func(c *net.TCPConn) {
		if readHead(bufio.NewReader(c)) == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\ntwo")
		}
	}
	for _, tt := range []struct {
		method string
		want   int
	}{{"GET", 200}, {"OPTIONS", 200}, {"DELETE", 503}} {
		b := start(t, behind(serve(t, first, second), ""))
		c := b.dial()
		if r := c.Do(get("/", ""), "GET"); r.Status != 200 || string(r.Body) != "one" {
			t.Fatalf("%+v", r)
		}
		if r := c.Do([]byte(tt.method+" / HTTP/1.1\r\nHost: a.test\r\n\r\n"), tt.method); r.Status != tt.want {
			t.Errorf("%s: %d %q, want %d", tt.method, r.Status, r.Body, tt.want)
		}
	}
}

// TestALongAnswerIsNoIdleStream: the idle timeout of streams is one of silence, not
// of answers.
func TestALongAnswerIsNoIdleStream(t *testing.T) {
	const parts = 12
	for _, head := range []string{fmt.Sprintf("content-length: %d\r\n", 2*parts), "transfer-encoding: chunked\r\n"} {
		port := serve(t, func(c *net.TCPConn) {
			if readHead(bufio.NewReader(c)) != nil {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"+head+"\r\n")
			for range parts {
				time.Sleep(30 * time.Millisecond)
				if part := "ab"; strings.HasPrefix(head, "content") {
					_, _ = io.WriteString(c, part)
				} else {
					_, _ = io.WriteString(c, "2\r\n"+part+"\r\n")
				}
			}
			_, _ = io.WriteString(c, "0\r\n\r\n")
		})
		b := start(t, behind(port, "stream_idle_timeout: 0.3s"))
		if r := b.dial().Do(get("/", ""), "GET"); r.End != "" || len(r.Body) != 2*parts {
			t.Errorf("%s: %d bytes and %q, want %d", strings.TrimSpace(head), len(r.Body), r.End, 2*parts)
		}
	}
}
