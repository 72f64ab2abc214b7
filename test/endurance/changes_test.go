package endurance

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crossgate/crossgate/test/gate"
	"github.com/crossgate/crossgate/test/rawhttp"
)

// TestPolicyChanges rewrites a policy ten times a second while 1,000 requests a
// second pass. No request may fail, every answer must be of one version only,
// and no connection may see an older version after a newer one.
func TestPolicyChanges(t *testing.T) {
	const (
		rate    = 1000 // requests a second
		pause   = 100 * time.Millisecond
		clients = 10
	)
	changes := 40 // 4 s
	if full() {
		changes = 200 // 20 s
	}
	desk := rawhttp.NewDesk()
	dir := folder(t, upstream(t, desk).Port())
	g := gate.Serve(t, dir)
	eventually(t, 10*time.Second, "the first answer", func() string { return get(g) })

	var load sync.WaitGroup
	stop := make(chan struct{})
	seen := &versions{}
	for i := range clients {
		load.Go(func() {
			c := &client{addr: g.Addr(80), desk: desk, seen: seen, name: fmt.Sprintf("c%d", i)}
			defer c.close()
			c.run(stop, time.Second*clients/rate)
		})
	}
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for v := 2; v <= changes+1; v++ {
		<-tick.C
		replace(t, dir, "policy.yaml", fmt.Sprintf(policy, v))
	}
	time.Sleep(5 * pause) // the last change needs its time
	close(stop)
	load.Wait()

	for _, f := range seen.failures {
		t.Error(f)
	}
	want := int64(rate * float64(changes) * pause.Seconds())
	if n := seen.requests.Load(); n < want*8/10 {
		t.Errorf("%d requests, want about %d: the load was too low to show anything", n, want)
	}
	if n := seen.newest(); n != changes+1 {
		t.Errorf("the newest version seen is %d, want %d", n, changes+1)
	}
	// Changes that come within one delay of the watcher may be served as one.
	if n := seen.count(); n < changes/4 {
		t.Errorf("%d versions of %d were seen", n, changes+1)
	}
	t.Logf("%d requests, %d of %d versions seen, %d failures", seen.requests.Load(), seen.count(), changes+1, seen.failed)
}

// versions collects what the clients saw.
type versions struct {
	requests atomic.Int64

	mu       sync.Mutex
	all      map[int]bool
	failures []string // the first ones
	failed   int
}

func (v *versions) add(n int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.all == nil {
		v.all = map[int]bool{}
	}
	v.all[n] = true
}

func (v *versions) fail(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.failed++; v.failed <= 10 {
		v.failures = append(v.failures, fmt.Sprintf(format, args...))
	}
}

func (v *versions) count() int { return len(v.all) }

func (v *versions) newest() (n int) {
	for k := range v.all {
		n = max(n, k)
	}
	return n
}

// client sends requests at a steady pace over one connection.
type client struct {
	addr string
	desk *rawhttp.Desk
	seen *versions
	name string

	conn *rawhttp.Conn
	last int // the newest version it saw
	n    int
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close()
	}
}

func (c *client) run(stop <-chan struct{}, pace time.Duration) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		c.n++
		c.seen.requests.Add(1)
		if c.conn == nil {
			var err error
			if c.conn, err = rawhttp.Dial(c.addr, 5*time.Second); err != nil {
				c.seen.fail("%s: connect: %v", c.name, err)
				continue
			}
		}
		found, err := c.ask()
		if err != nil {
			c.seen.fail("%s: request %d: %v", c.name, c.n, err)
			c.close()
			c.conn = nil
			continue
		}
		c.check(found)
	}
}

// ask sends a preflight or a request and returns the versions in its answer, and
// in what the upstream received.
func (c *client) ask() (found []string, err error) {
	id := fmt.Sprintf("%s-%d", c.name, c.n)
	if c.n%4 == 0 {
		resp := c.conn.Do([]byte("OPTIONS / HTTP/1.1\r\nHost: "+host+"\r\nOrigin: "+origin+"\r\nAccess-Control-Request-Method: PUT\r\n\r\n"), "OPTIONS")
		age, _ := resp.Fields.Get("access-control-max-age")
		expose, _ := resp.Fields.Get("access-control-expose-headers")
		return []string{"v" + age, expose}, complete(resp)
	}
	c.desk.Expect(id, rawhttp.Plan{})
	resp := c.conn.Do([]byte("GET / HTTP/1.1\r\nHost: "+host+"\r\nOrigin: "+origin+"\r\n"+rawhttp.IDHeader+": "+id+"\r\n\r\n"), "GET")
	expose, _ := resp.Fields.Get("access-control-expose-headers")
	answer, _ := resp.Fields.Get("x-version")
	found = []string{expose, answer}
	for _, r := range c.desk.Take(id) {
		request, _ := r.Fields.Get("x-version")
		found = append(found, request)
	}
	return found, complete(resp)
}

func complete(resp rawhttp.Response) error {
	if resp.Status != 200 || !resp.Reusable() {
		return fmt.Errorf("answered %d %s %v", resp.Status, resp.End, resp.Fields)
	}
	return nil
}

// check compares the versions of one answer with each other and with the last.
func (c *client) check(found []string) {
	for _, f := range found[1:] {
		if f != found[0] {
			c.seen.fail("%s: request %d is of several versions: %v", c.name, c.n, found)
			return
		}
	}
	n, err := strconv.Atoi(strings.TrimPrefix(found[0], "v"))
	if err != nil {
		c.seen.fail("%s: request %d has no version: %q", c.name, c.n, found)
		return
	}
	if n < c.last {
		c.seen.fail("%s: version %d after %d", c.name, n, c.last)
	}
	c.last = n
	c.seen.add(n)
}
