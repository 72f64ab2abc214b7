package square

import (
	"fmt"
	"sync"
	"testing"

	"golang.org/x/net/http2"
)

// poison is an answer to a request that nobody has sent.
const poison = "HTTP/1.1 200 OK\r\nx-target: /poison\r\ncontent-length: 6\r\n\r\npoison"

// ambiguous are answers with which a service, or who speaks through it, tries to say
// more than one thing. Their connection stays open.
var ambiguous = []string{
	"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok" + poison,
	"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n" + poison,
	"HTTP/1.1 204 No Content\r\n\r\n" + poison,
	"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n" + poison,
	"HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + poison,
	"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n" + poison,
	"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + poison,
	"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: y\r\n\r\n" + poison,
	"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + poison,
	"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\nok\n0\n\n" + poison,
	"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nokXX\r\n0\r\n\r\n" + poison,
	"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n0\r\n\r\n" + poison,
	"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + poison,
	"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 80\r\n\r\nok" + poison,
	"HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nok" + poison,
	"HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok" + poison,
	"HTTP/1.1 200 OK\r\ncontent-length:\r\n 2\r\n\r\nok" + poison,
	"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + poison,
	"HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\ncontent-length: 2\r\n\r\nok" + poison,
	"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n2\r\nok\r\n0\r\n\r\n" + poison,
	"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok" + poison,
	"HTTP/1.1 103 Early Hints\r\ncontent-length: 9\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok" + poison,
	"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n" + poison,
	"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok" + poison,
	"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + poison,
	"HTTP/1.1 200 OK\nContent-Length: 2\n\nok" + poison,
	"HTTP/1.1 200 OK\r\nx: y\rcontent-length: 2\r\n\r\nok" + poison,
	"HTTP/1.1 200 OK\r\nx: \x00\r\ncontent-length: 2\r\n\r\nok" + poison,
	"\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok" + poison,
	"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok\r\n\r\n" + poison,
}

// TestAnswersAreNotMixed: whatever a service answers, the next client gets the
// answer to its own request.
func TestAnswersAreNotMixed(t *testing.T) {
	b := newBattlefield(t, "", dialects[:1])
	defer func() {
		if err := stop([]*Corner{b.corner}); err != nil {
			t.Error(err)
		}
	}()
	for i, a := range ambiguous {
		b.services[0].answers[fmt.Sprintf("/raw%d", i)] = a
	}
	var tasks sync.WaitGroup
	for _, method := range []string{"GET", "HEAD", "POST", "GET"} {
		tasks.Go(func() {
			for i, a := range ambiguous {
				if _, err := b.exchange(fmt.Sprintf("%s /raw%d HTTP/1.1\r\nHost: %s\r\n\r\n", method, i, hostOf(0))); err != nil {
					t.Error(err)
				}
				for k := range 3 {
					if err := b.probe(0, fmt.Sprintf("/p%d-%s-%d", i, method, k)); err != nil {
						t.Errorf("%s: %v\n%q", method, err, a)
					}
				}
			}
		})
	}
	tasks.Wait()
}

// h2attack is a head, a body and trailers that a client of HTTP/2 sends; {S} and the
// rest stand for what they do in attack.
type h2attack struct {
	name     string
	head     [][2]string
	body     string
	trailers [][2]string
}

func h2attacks() (out []h2attack) {
	add := func(name, method, body string, fields ...[2]string) {
		out = append(out, h2attack{name, append([][2]string{{":method", method}, {":scheme", "http"}, {":authority", "{H}"}, {":path", "{A}"}}, fields...), body, nil})
	}
	chunks := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", sized(hidden), hidden)
	for _, method := range []string{"POST", "GET"} {
		for _, n := range []string{"0", "1", fmt.Sprint(sized(hidden) - 1), fmt.Sprint(sized(hidden) + 1), "9999", "-1", "+0", "0x0", "", " 0", "0,0", "18446744073709551616"} {
			add("H2.CL "+n, method, hidden, [2]string{"content-length", n})
			add("H2.CL without a body "+n, method, "", [2]string{"content-length", n})
		}
		add("H2.CL twice", method, hidden, [2]string{"content-length", "0"}, [2]string{"content-length", fmt.Sprint(sized(hidden))})
		for _, name := range []string{"transfer-encoding", "Transfer-Encoding", "transfer_encoding", "transfer-encoding ", " transfer-encoding", "transfer-encoding:", "transfer-encoding\x00", "transfer-encoding\r\n", "te", "connection", "x\r\ntransfer-encoding", "x: y\r\ntransfer-encoding"} {
			add("H2.TE "+name, method, chunks, [2]string{name, "chunked"})
			add("H2.TE and a length "+name, method, chunks, [2]string{name, "chunked"}, [2]string{"content-length", fmt.Sprint(sized(chunks))})
		}
		for _, v := range []string{"y\r\ntransfer-encoding: chunked", "y\ntransfer-encoding: chunked", "y\rtransfer-encoding: chunked", "y\r\n\r\n" + hidden, "y\n\n" + hidden, "\x00", "y\r\n y", "\r\n"} {
			add("H2 value", method, chunks, [2]string{"x", v})
			add("H2 cookie", method, chunks, [2]string{"cookie", v})
			add("H2 trailers named", method, chunks, [2]string{"te", v})
		}
		add("H2.0", method, hidden)
		add("H2 connection", method, hidden, [2]string{"connection", "content-length"}, [2]string{"content-length", fmt.Sprint(sized(hidden))})
		add("H2 upgrade", method, hidden, [2]string{"upgrade", "websocket"}, [2]string{"connection", "upgrade"})
		add("H2 expect", method, hidden, [2]string{"expect", "100-continue"})
		add("H2 host", method, hidden, [2]string{"host", "h0.test\r\nx: y"})
	}
	inject := []string{" HTTP/1.1\r\nHost: {H}\r\n\r\n" + hidden, "\r\n\r\n" + hidden, " HTTP/1.1\r\ntransfer-encoding: chunked\r\nx: ", "\n" + hidden, " x", "\t", "\x00"}
	for _, i := range inject {
		out = append(out,
			h2attack{"H2 path", request([2]string{":path", "{A}" + i}), hidden, nil},
			h2attack{"H2 method", [][2]string{{":method", "POST {A}" + i}, {":scheme", "http"}, {":authority", "{H}"}, {":path", "{A}"}}, chunks, nil},
			h2attack{"H2 authority", [][2]string{{":method", "POST"}, {":scheme", "http"}, {":authority", "{H}" + i}, {":path", "{A}"}}, hidden, nil},
			h2attack{"H2 scheme", [][2]string{{":method", "POST"}, {":scheme", "http://{H}/" + i}, {":authority", "{H}"}, {":path", "{A}"}}, hidden, nil},
			h2attack{"H2 two paths", [][2]string{{":method", "POST"}, {":scheme", "http"}, {":authority", "{H}"}, {":path", "{A}"}, {":path", "{A}" + i}}, hidden, nil},
		)
	}
	for _, f := range [][2]string{{"content-length", "5"}, {"transfer-encoding", "chunked"}, {"x", "y\r\n\r\n" + hidden}, {"x\r\n\r\n" + hidden, "y"}, {"host", "x"}, {":path", "{S}"}, {"X", "y"}} {
		out = append(out, h2attack{"H2 trailer", [][2]string{{":method", "POST"}, {":scheme", "http"}, {":authority", "{H}"}, {":path", "{A}"}}, hidden, [][2]string{f}})
	}
	return out
}

// TestSmugglingHTTP2 is TestSmuggling from HTTP/2 to HTTP/1.1.
func TestSmugglingHTTP2(t *testing.T) {
	b := newBattlefield(t, "enable_trailers: true", dialects)
	all := h2attacks()
	t.Logf("%d attacks on %d dialects", len(all), len(dialects))
	names := make([]attack, len(all))
	for n, a := range all {
		names[n] = attack{a.name, fmt.Sprintf("%q %q %q", a.head, a.body, a.trailers)}
		for i := range dialects {
			if err := b.launchHTTP2(n, i, a); err != nil {
				t.Errorf("%s on %s: %v\n%s", a.name, dialects[i].name, err, names[n].text)
			}
		}
	}
	for i, sent := range b.proxied(t) {
		b.match(t, i, sent, names)
	}
}

func (b *battlefield) launchHTTP2(n, i int, a h2attack) error {
	conn, err := b.corner.dialHTTP2("main")
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	conn.limit = answerWait
	id := fmt.Sprintf("%04d", n)
	fill := func(fields [][2]string) (out [][2]string) {
		for _, f := range fields {
			out = append(out, [2]string{filled(f[0], hostOf(i), id), filled(f[1], hostOf(i), id)})
		}
		return out
	}
	stream := conn.next
	conn.next += 2
	_ = conn.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: conn.block(fill(a.head)), EndHeaders: true, EndStream: a.body == ""})
	if a.body != "" {
		_ = conn.fr.WriteData(stream, a.trailers == nil, []byte(filled(a.body, hostOf(i), id)))
	}
	if a.trailers != nil {
		_ = conn.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: conn.block(fill(a.trailers)), EndHeaders: true, EndStream: true})
	}
	r := conn.read(stream)
	if got, ok := r.Fields.Get("x-target"); ok && got != "/a"+id {
		return fmt.Errorf("the answer for %s came", got)
	}
	for k := range 2 {
		if err := b.probe(i, fmt.Sprintf("/p%s-%d", id, k)); err != nil {
			return err
		}
	}
	return nil
}
