package browser

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crossgate/crossgate/internal/fetch"
	"github.com/crossgate/crossgate/test/vectors"
)

// situation is a call of fetch and what the services answer to it: the same for the simulator and for the browser.
type situation struct {
	name   string
	call   fetch.Call
	answer func(origin, path string, preflight bool) *fetch.Response
}

// sent is what is compared of a request.
type sent struct {
	to, method, origin, wantsMethod, wantsHeaders string
}

// seen is what a page gets.
type seen struct {
	Error   string      `json:"error"`
	Type    string      `json:"type"`
	Status  int         `json:"status"`
	Headers [][2]string `json:"headers"`
}

// playground has the origins of the vectors on real sockets, and one situation at a time.
type playground struct {
	origins vectors.Origins

	mu      sync.Mutex
	playing *situation
	got     []sent
}

func newPlayground(t *testing.T) *playground {
	p := &playground{}
	p.origins.Page = p.listen(t, "localhost")
	p.origins.Target = p.listen(t, "127.0.0.1")
	p.origins.Target2 = p.listen(t, "127.0.0.1")
	return p
}

// listen serves one origin, with answers written to the byte: values keep their blanks.
func (p *playground) listen(t *testing.T, host string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	origin := "http://" + host + ":" + port
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(conn, origin)
		}
	}()
	return origin
}

func (p *playground) serve(conn net.Conn, origin string) {
	defer conn.Close()
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	response := p.respond(r, origin)
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d Answer\r\n", response.Status)
	for _, h := range response.Headers {
		b.WriteString(h.Name + ":" + h.Value + "\r\n")
	}
	conn.Write([]byte(b.String() + "\r\n")) //nolint:errcheck // the browser sees it
}

func (p *playground) respond(r *http.Request, origin string) *fetch.Response {
	p.mu.Lock()
	defer p.mu.Unlock()
	path := r.URL.Path
	if path == "/" || path == "/favicon.ico" {
		return finished(&fetch.Response{Status: 200, Headers: []fetch.Field{{Name: "Content-Type", Value: "text/html"}}})
	}
	preflight := r.Method == "OPTIONS" && r.Header.Get("Access-Control-Request-Method") != ""
	p.got = append(p.got, sent{
		origin + path, r.Method, r.Header.Get("Origin"), r.Header.Get("Access-Control-Request-Method"),
		r.Header.Get("Access-Control-Request-Headers"),
	})
	return finished(p.playing.answer(origin, path, preflight))
}

// finished adds what a response of HTTP/1.1 needs.
func finished(r *fetch.Response) *fetch.Response {
	return &fetch.Response{Status: r.Status, Headers: append(slices.Clip(r.Headers),
		fetch.Field{Name: "Content-Length", Value: "0"}, fetch.Field{Name: "Connection", Value: "close"})}
}

// simulate plays a situation in the simulator.
func (p *playground) simulate(s *situation) (*fetch.Result, []sent) {
	browser := fetch.Browser{Profile: fetch.Today, Now: time.Now}
	r := browser.Fetch(s.call, func(r *fetch.Request) (*fetch.Response, error) {
		u, err := url.Parse(r.URL)
		if err != nil {
			return nil, err
		}
		return finished(s.answer(u.Scheme+"://"+u.Host, u.Path, r.Preflight)), nil
	})
	var out []sent
	for _, x := range r.Exchanges {
		header := func(name string) string {
			for _, h := range x.Request.Headers {
				if h.Name == name {
					return h.Value
				}
			}
			return ""
		}
		u, err := url.Parse(x.Request.URL)
		if err != nil {
			panic(err) // it was parsed above
		}
		out = append(out, sent{
			u.Scheme + "://" + u.Host + u.Path, x.Request.Method, x.Request.Origin(), header("Access-Control-Request-Method"), header("Access-Control-Request-Headers"),
		})
	}
	return r, out
}

const situationScript = `(async (url, init) => {
  try {
    const r = await fetch(url, init);
    await r.text();
    return {type: r.type, status: r.status, headers: [...r.headers]};
  } catch (e) {
    return {error: String(e)};
  }
})(%s, %s)`

// compare plays a situation in both, and tells what differs.
func (p *playground) compare(tab *page, s *situation) string {
	want, wantSent := p.simulate(s)
	p.mu.Lock()
	p.playing, p.got = s, nil
	p.mu.Unlock()
	var got seen
	tab.run(fmt.Sprintf(situationScript, script(s.call.URL), script(fetchInit(s.call))), &got)
	p.mu.Lock()
	gotSent := p.got
	p.mu.Unlock()

	var diff strings.Builder
	if !slices.Equal(gotSent, wantSent) {
		fmt.Fprintf(&diff, "sent %v\nsimulated %v\n", gotSent, wantSent)
	}
	if (got.Error == "") != want.OK() {
		fmt.Fprintf(&diff, "error %q, simulated %+v\n", got.Error, want.Failure)
		return diff.String()
	}
	if !want.OK() {
		code, line := string(want.Failure.Code), want.Failure.Console
		lines := []string{line}
		if want.Failure.Code == fetch.HeaderDisallowedByPreflightResponse {
			// Which of several headers Chrome names depends on the order in its table.
			for name := range strings.SplitSeq(wantSent[len(wantSent)-1].wantsHeaders, ",") {
				lines = append(lines, strings.Replace(line, "field "+want.Failure.Param+" ", "field "+name+" ", 1))
			}
		}
		told := func(f failure) bool {
			return line == "" || slices.ContainsFunc(f.console, func(l string) bool { return slices.Contains(lines, l) })
		}
		failed := tab.failure(func(f failure) bool {
			return (code == "" || slices.Contains(f.codes, code)) && told(f)
		})
		other := func(c string) bool { return c != code && !strings.HasPrefix(c, "net::") }
		if slices.ContainsFunc(failed.codes, other) || code != "" && !slices.Contains(failed.codes, code) {
			fmt.Fprintf(&diff, "codes %q, simulated %q\n", failed.codes, code)
		}
		if !told(failed) {
			fmt.Fprintf(&diff, "console %q\nsimulated %q\n", failed.console, line)
		}
		return diff.String()
	}
	if got.Type != string(want.Type) || got.Status != want.Status {
		fmt.Fprintf(&diff, "%s %d, simulated %s %d\n", got.Type, got.Status, want.Type, want.Status)
	}
	var headers [][2]string
	for _, h := range want.Headers {
		headers = append(headers, [2]string{h.Name, h.Value})
	}
	slices.SortFunc(headers, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	if !slices.Equal(got.Headers, headers) {
		fmt.Fprintf(&diff, "reads %q, simulated %q\n", got.Headers, headers)
	}
	return diff.String()
}

// fetchInit is the second argument of fetch.
func fetchInit(c fetch.Call) fields {
	init := fields{}
	for name, value := range map[string]string{
		"method": c.Method, "credentials": string(c.Credentials), "mode": string(c.Mode), "redirect": string(c.Redirect),
	} {
		if value != "" {
			init[name] = value
		}
	}
	var headers [][2]string
	for _, h := range c.Headers {
		headers = append(headers, [2]string{h.Name, h.Value})
	}
	if headers != nil {
		init["headers"] = headers
	}
	return init
}

// TestSimulatedVectors plays the cases of web-platform-tests in a real Chromium. It has to agree with the simulator in
// profile Today: in what is sent, in the verdict, in what can be read, in the code and the console's line.
func TestSimulatedVectors(t *testing.T) {
	p := newPlayground(t)
	all, err := vectors.Read()
	if err != nil {
		t.Fatal(err)
	}
	tab := start(t, nil, nil).open(p.origins.Page + "/")
	for i, v := range all {
		path := fmt.Sprintf("/%d", i)
		s := &situation{name: v.ID, call: v.Call(p.origins, path)}
		s.answer = func(_, requested string, preflight bool) *fetch.Response {
			return v.Answer(p.origins, path, preflight, requested)
		}
		if diff := p.compare(tab, s); diff != "" {
			t.Errorf("%s\n%s", v.ID, diff)
		}
	}
}
