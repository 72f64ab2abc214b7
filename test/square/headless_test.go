package square

import (
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/http2"

	"github.com/crossgate/crossgate/test/rawhttp"
)

// headlessService speaks HTTP/2 and answers every request with a body alone. It
// returns its port.
func headlessService(t *testing.T) int {
	return rawService(t, func(c net.Conn) { go headless(c) })
}

func headless(c net.Conn) {
	defer func() { _ = c.Close() }()
	if _, err := io.ReadFull(c, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	framer := http2.NewFramer(c, c)
	for err := framer.WriteSettings(); err == nil; {
		var f http2.Frame
		if f, err = framer.ReadFrame(); err != nil {
			return
		}
		if h, ok := f.(*http2.HeadersFrame); ok {
			err = framer.WriteData(h.StreamID, true, []byte("body"))
		}
	}
}

// TestAnswerWithoutHead: a body that comes before the head of an answer is no answer.
func TestAnswerWithoutHead(t *testing.T) {
	b := newBench(t, planesOf(t))
	corners := b.corners(fmt.Sprintf(upstreamBootstrap, speaksHTTP2, serviceHTTP2(t), headlessService(t)))
	var answers [][]string
	for _, c := range corners {
		a, err := c.do(&Case{Request: Request{Method: "GET", Target: "/old", Fields: rawhttp.Fields{{Name: "Host", Value: "a.test"}}}})
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a.Lines())
	}
	t.Log(answers[0])
	for i, got := range answers[1:] {
		if diff := cmp.Diff(answers[0], got); diff != "" {
			t.Errorf("(-%s +%s)\n%s", corners[0].Name, corners[i+1].Name, diff)
		}
	}
}
