package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2/hpack"

	"github.com/crossgate/crossgate/internal/http2"
)

// TestRepliesWaitForWindows: the proxy's own answers wait where the client has no room
// for them, and the goroutine that reads never does: it has to see the room come.
func TestRepliesWaitForWindows(t *testing.T) {
	const size, requests = 1000, 90 // more than a connection's window of 64 KiB holds
	b := start(t, bootstrap("", fmt.Sprintf(`
              - match: {prefix: /}
                direct_response: {status: 200, body: {inline_string: %s}}
`, strings.Repeat("x", size)), ""))
	c, err := net.Dial("tcp", b.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	out := fmt.Appendf(nil, "%s\x00\x00\x00\x04\x00\x00\x00\x00\x00", http2.Preface)
	for i := range requests {
		block.Reset()
		for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}} {
			_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
		out = append(out, 0, 0, byte(block.Len()), 1, 5)
		out = append(binary.BigEndian.AppendUint32(out, uint32(2*i+1)), block.Bytes()...)
	}
	if _, err := c.Write(out); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	in, w, got, ended := make([]byte, 64<<10), 0, 0, 0
	more := func() {
		n, err := c.Read(in[w:])
		if err != nil {
			t.Fatalf("after %d bytes and %d answers: %v", got, ended, err)
		}
		for w += n; w >= 9; {
			size := int(in[0])<<16 | int(in[1])<<8 | int(in[2])
			if w < 9+size {
				return
			}
			if in[3] == 3 || in[3] == 7 {
				t.Fatalf("a frame of type %d: %q", in[3], in[9:9+size])
			}
			if in[3] == 0 {
				got += size
				ended += int(in[4] & 1)
			}
			w = copy(in, in[9+size:w])
		}
	}
	const window = 65535
	for got < window-size+1 {
		more()
	}
	if got > window {
		t.Fatalf("%d bytes came, of which there is room for %d", got, window)
	}
	for left := requests*size - got; got < requests*size; {
		if left > 0 { // room for the rest, a little at a time
			n := min(left, 700)
			left -= n
			update := binary.BigEndian.AppendUint32([]byte{0, 0, 4, 8, 0, 0, 0, 0, 0}, uint32(n))
			if _, err := c.Write(update); err != nil {
				t.Fatal(err)
			}
			if left > 0 {
				continue
			}
		}
		more()
	}
	for ended < requests {
		more()
	}
}
