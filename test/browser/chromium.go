package browser

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crossgate/crossgate/test/tool"
)

var (
	browserTool = tool.Tool{Name: "Chromium", Part: "chromium", Variable: "CROSSGATE_CHROMIUM", Places: []string{"chromium", "chromium-browser", "google-chrome"}}
	// What makes certificates for it.
	certificateTools = []*tool.Tool{
		{Name: "openssl", Part: "chromium", Places: []string{"openssl"}},
		{Name: "certutil", Part: "chromium", Places: []string{"certutil"}},
		{Name: "pk12util", Part: "chromium", Places: []string{"pk12util"}},
	}
)

// answerLimit is how long the browser may take for one command.
const answerLimit = 30 * time.Second

// chromium is a running browser. Commands go over a pipe, each ended by a NUL
// (--remote-debugging-pipe).
type chromium struct {
	t     *testing.T
	to    io.Writer
	ended chan struct{} // closed when the browser is gone

	mu      sync.Mutex
	next    int
	waiting map[int]chan message
	failed  map[string][]string // by session: why requests failed, in the browser's words
	console map[string][]string // by session: the lines of the console
}

// message is one of the DevTools protocol: an answer with an ID, or an event with
// a Method.
type message struct {
	ID        int             `json:"id,omitempty"`
	SessionID string          `json:"sessionId,omitempty"`
	Method    string          `json:"method,omitempty"`
	Params    json.RawMessage `json:"params,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// start runs a browser with a profile of its own until the test ends. Hosts are
// rules of --host-resolver-rules; certificates with one of the keys (base64 of the
// SHA-256 of the SPKI) are trusted. What prepares the profile runs before.
func start(t *testing.T, hosts, keys []string, prepare ...func(profile string)) *chromium {
	t.Helper()
	toBrowser, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, fromBrowser, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	profile := t.TempDir()
	for _, f := range prepare {
		f(profile)
	}
	cmd := exec.Command(browserTool.Require(t),
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe",
		"--user-data-dir="+profile, "--host-resolver-rules="+strings.Join(hosts, ","),
		"--ignore-certificate-errors-spki-list="+strings.Join(keys, ","), "about:blank")
	cmd.Env = append(os.Environ(), "HOME="+profile)
	cmd.ExtraFiles = []*os.File{toBrowser, fromBrowser} // descriptors 3 and 4
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	toBrowser.Close()
	fromBrowser.Close()
	c := &chromium{t: t, to: to, ended: make(chan struct{}), waiting: map[int]chan message{}, failed: map[string][]string{}, console: map[string][]string{}}
	go c.read(from)
	t.Cleanup(func() {
		c.call("", "Browser.close", nil, nil)
		to.Close()
		select {
		case <-c.ended:
		case <-time.After(5 * time.Second):
			cmd.Process.Kill() //nolint:errcheck // it may just have ended
		}
		cmd.Wait() //nolint:errcheck // how it ends is not what is tested
		if t.Failed() {
			t.Logf("chromium:\n%s", errs.String())
		}
	})
	return c
}

func (c *chromium) read(from io.Reader) {
	defer close(c.ended)
	r := bufio.NewReader(from)
	for {
		data, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(bytes.TrimSuffix(data, []byte{0}), &m) != nil {
			continue
		}
		c.mu.Lock()
		if ch := c.waiting[m.ID]; m.ID != 0 && ch != nil {
			delete(c.waiting, m.ID)
			ch <- m
		}
		switch m.Method {
		case "Network.loadingFailed":
			c.failed[m.SessionID] = append(c.failed[m.SessionID], reason(m.Params))
		case "Log.entryAdded":
			c.console[m.SessionID] = append(c.console[m.SessionID], line(m.Params))
		}
		c.mu.Unlock()
	}
}

// reason is why a request failed: the code of a CORS error, or a network error.
func reason(params json.RawMessage) string {
	var p struct {
		ErrorText       string `json:"errorText"`
		CorsErrorStatus struct {
			CorsError string `json:"corsError"`
		} `json:"corsErrorStatus"`
	}
	if err := json.Unmarshal(params, &p); err != nil {
		return err.Error()
	}
	if p.CorsErrorStatus.CorsError != "" {
		return p.CorsErrorStatus.CorsError
	}
	return p.ErrorText
}

// line is a line of the console.
func line(params json.RawMessage) string {
	var p struct {
		Entry struct {
			Text string `json:"text"`
		} `json:"entry"`
	}
	if err := json.Unmarshal(params, &p); err != nil {
		return err.Error()
	}
	return p.Entry.Text
}

// call sends a command to a session, or to the browser, and reads its result.
func (c *chromium) call(session, method string, params, result any) error {
	c.mu.Lock()
	c.next++
	id := c.next
	answer := make(chan message, 1)
	c.waiting[id] = answer
	data, err := json.Marshal(struct {
		ID        int    `json:"id"`
		SessionID string `json:"sessionId,omitempty"`
		Method    string `json:"method"`
		Params    any    `json:"params,omitempty"`
	}{id, session, method, params})
	if err == nil {
		_, err = c.to.Write(append(data, 0))
	}
	c.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case m := <-answer:
		if m.Error != nil {
			return fmt.Errorf("%s: %s", method, m.Error.Message)
		}
		if result != nil {
			return json.Unmarshal(m.Result, result)
		}
		return nil
	case <-c.ended:
		return errors.New("the browser is gone")
	case <-time.After(answerLimit):
		return fmt.Errorf("%s: no answer", method)
	}
}

func (c *chromium) must(session, method string, params, result any) {
	c.t.Helper()
	if err := c.call(session, method, params, result); err != nil {
		c.t.Fatal(err)
	}
}

// page is a tab that shows a document of an origin.
type page struct {
	c       *chromium
	session string
}

type fields map[string]any

// open shows a document in a new tab.
func (c *chromium) open(url string) *page {
	c.t.Helper()
	var target struct {
		TargetID string `json:"targetId"`
	}
	c.must("", "Target.createTarget", fields{"url": "about:blank"}, &target)
	var attached struct {
		SessionID string `json:"sessionId"`
	}
	c.must("", "Target.attachToTarget", fields{"targetId": target.TargetID, "flatten": true}, &attached)
	p := &page{c, attached.SessionID}
	c.must(p.session, "Network.enable", nil, nil)
	c.must(p.session, "Log.enable", nil, nil)
	if err := p.visit(url); err != nil {
		c.t.Fatal(err)
	}
	return p
}

// visit shows another document in the tab.
func (p *page) visit(url string) error {
	p.c.t.Helper()
	var went struct {
		ErrorText string `json:"errorText"`
	}
	p.c.must(p.session, "Page.navigate", fields{"url": url}, &went)
	if went.ErrorText != "" {
		return fmt.Errorf("%s: %s", url, went.ErrorText)
	}
	for deadline := time.Now().Add(answerLimit); ; time.Sleep(20 * time.Millisecond) {
		var shown bool
		p.eval(fmt.Sprintf("location.href === %q && document.readyState === 'complete'", url), &shown)
		if shown {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not load", url)
		}
	}
}

// eval runs JavaScript in the page, awaits it, and reads its value.
func (p *page) eval(script string, value any) {
	p.c.t.Helper()
	var out struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		ExceptionDetails json.RawMessage `json:"exceptionDetails"`
	}
	p.c.must(p.session, "Runtime.evaluate", fields{"expression": script, "awaitPromise": true, "returnByValue": true}, &out)
	if out.ExceptionDetails != nil {
		p.c.t.Fatalf("%s\n%s", script, out.ExceptionDetails)
	}
	if err := json.Unmarshal(out.Result.Value, value); err != nil {
		p.c.t.Fatalf("%s: %v", script, err)
	}
}

// reply is what a script sees of a fetch.
type reply struct {
	Error    string            `json:"error"` // of a promise that was rejected
	Status   int               `json:"status"`
	Headers  map[string]string `json:"headers"`
	Body     string            `json:"body"`
	Protocol string            `json:"protocol"`
	// Failed is why, in the browser's words.
	Failed string `json:"-"`
}

// fetchScript fetches, and tells all that a script may read.
const fetchScript = `(async (url, init) => {
  try {
    const r = await fetch(url, init);
    const body = await r.text();
    const timing = performance.getEntriesByName(url).at(-1);
    return {status: r.status, headers: Object.fromEntries(r.headers), body, protocol: timing ? timing.nextHopProtocol : ''};
  } catch (e) {
    return {error: String(e)};
  }
})(%s, %s)`

// fetch calls fetch(url, init) in the page.
func (p *page) fetch(url string, init fields) reply {
	p.c.t.Helper()
	if init == nil {
		init = fields{}
	}
	var r reply
	p.run(fmt.Sprintf(fetchScript, script(url), script(init)), &r)
	if r.Error != "" {
		r.Failed = strings.Join(p.failure(func(f failure) bool { return len(f.codes) > 0 }).codes, ",")
	}
	return r
}

// script is a value as JavaScript.
func script(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // the tests write only strings, numbers and maps
	}
	return string(data)
}

// run evaluates a script that fetches. What the browser said of earlier ones is forgotten.
func (p *page) run(script string, value any) {
	p.c.t.Helper()
	p.c.mu.Lock()
	p.c.failed[p.session], p.c.console[p.session] = nil, nil
	p.c.mu.Unlock()
	p.eval(script, value)
}

// failure is what the browser tells about requests that failed.
type failure struct{ codes, console []string }

// failure waits for the events that say why a fetch failed: they may come after the script's answer.
func (p *page) failure(enough func(failure) bool) failure {
	for deadline := time.Now().Add(2 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		p.c.mu.Lock()
		f := failure{slices.Clone(p.c.failed[p.session]), slices.Clone(p.c.console[p.session])}
		p.c.mu.Unlock()
		if enough(f) || time.Now().After(deadline) {
			return f
		}
	}
}
