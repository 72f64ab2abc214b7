package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// changedRoutes is how many routes there are, of which one changes.
const changedRoutes = 100_000

// A changer is a proxy in which one route can be made to answer with another body.
type changer struct {
	name   string
	proc   *process
	port   int
	change func(body string) error
}

// changes measures what it costs to change one route of many, and what running requests
// notice of it.
func (b *bench) changes(ctx context.Context) error {
	pid := strconv.Itoa(os.Getpid())
	if out, err := exec.CommandContext(ctx, "taskset", "-a", "-c", "-p", strconv.Itoa(loadCore), pid).CombinedOutput(); err != nil {
		return fmt.Errorf("taskset: %w: %s", err, out)
	}
	if !b.quick {
		fmt.Printf("\none route of %d changes\n%-10s %12s %12s %14s %14s\n", changedRoutes, "", "CPU", "in force in", "slowest then", "slowest before")
	}
	for _, start := range []func(context.Context) (*changer, error){b.startEngine, b.startEnvoyRDS} {
		c, err := start(ctx)
		if errors.Is(err, exec.ErrNotFound) || err == nil && c == nil {
			continue
		}
		if err == nil {
			err = b.measureChange(ctx, c)
		}
		if c != nil {
			err = errors.Join(err, c.proc.stop())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// settle is how long a proxy is watched before a change, and after one is in force.
const settle = 500 * time.Millisecond

func (b *bench) measureChange(ctx context.Context, c *changer) error {
	w, err := watch(c.port)
	if err != nil {
		return err
	}
	defer w.stop()
	var cost, took, then, before []time.Duration
	rounds := b.rounds
	if b.quick {
		rounds = 1
	}
	for round := range rounds + 1 {
		cpu := [3]time.Duration{}
		began := time.Now()
		if cpu[0], err = c.proc.cpu(); err != nil {
			return err
		}
		time.Sleep(settle)
		if cpu[1], err = c.proc.cpu(); err != nil {
			return err
		}
		changed := time.Now()
		body := "body" + strconv.Itoa(round)
		if err := c.change(body); err != nil {
			return err
		}
		inForce, err := w.waitFor(ctx, body)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		time.Sleep(settle)
		if cpu[2], err = c.proc.cpu(); err != nil {
			return err
		}
		if round == 0 && rounds > 1 {
			continue // the first change after the start is not like others
		}
		ended := time.Now()
		idle := float64(cpu[1]-cpu[0]) / float64(changed.Sub(began)) // what the requests cost
		cost = append(cost, cpu[2]-cpu[1]-time.Duration(idle*float64(ended.Sub(changed))))
		took = append(took, inForce.Sub(changed))
		before, then = append(before, w.slowest(began, changed)), append(then, w.slowest(changed, ended))
	}
	if b.quick {
		fmt.Printf("%-10s changes one route of %d\n", c.name, changedRoutes)
		return nil
	}
	fmt.Printf("%-10s %12s %12s %14s %14s\n", c.name, middle(cost), middle(took), middle(then), middle(before))
	return nil
}

// middle is the median of some times.
func middle(list []time.Duration) string {
	slices.Sort(list)
	return fmt.Sprintf("%.1fms", float64(list[(len(list)-1)/2].Microseconds())/1000)
}

// A watcher asks a proxy for the route that changes and for the backend in turn, one
// request after the other, every two milliseconds.
type watcher struct {
	conn net.Conn
	done chan struct{}

	mu     sync.Mutex
	body   string // of the route that changes
	asked  []time.Time
	waited []time.Duration
	failed error
}

func watch(port int) (*watcher, error) {
	conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return nil, err
	}
	w := &watcher{conn: conn, done: make(chan struct{})}
	go w.run()
	return w, nil
}

func (w *watcher) run() {
	defer close(w.done)
	r := bufio.NewReader(w.conn)
	for i := 0; ; i++ {
		path := []string{"/changed/", "/api/x"}[i%2]
		began := time.Now()
		_, err := fmt.Fprintf(w.conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host)
		var resp *http.Response
		if err == nil {
			resp, err = http.ReadResponse(r, nil)
		}
		var body []byte
		if err == nil {
			body, err = io.ReadAll(resp.Body)
		}
		took := time.Since(began)
		w.mu.Lock()
		if err != nil || resp.StatusCode != http.StatusOK {
			w.failed = fmt.Errorf("GET %s: %v, %v", path, resp, err)
			w.mu.Unlock()
			return
		}
		w.asked, w.waited = append(w.asked, began), append(w.waited, took)
		if i%2 == 0 {
			w.body = string(body)
		}
		w.mu.Unlock()
		time.Sleep(2*time.Millisecond - took)
	}
}

// waitFor returns when the route that changes has answered with a body.
func (w *watcher) waitFor(ctx context.Context, body string) (time.Time, error) {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(time.Millisecond) {
		w.mu.Lock()
		have, err := w.body, w.failed
		w.mu.Unlock()
		if err != nil || have == body {
			return time.Now(), err
		}
	}
	return time.Now(), errors.Join(ctx.Err(), fmt.Errorf("no answer with the body %q", body))
}

// slowest is the longest wait of a request that was under way in a span of time.
func (w *watcher) slowest(from, to time.Time) (most time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, at := range w.asked {
		if at.Before(to) && at.Add(w.waited[i]).After(from) {
			most = max(most, w.waited[i])
		}
	}
	return most
}

func (w *watcher) stop() {
	w.conn.Close() //nolint:errcheck // ends run
	<-w.done
}

// startEngine runs crossgate's engine, which is sent a signal for each change.
func (b *bench) startEngine(ctx context.Context) (*changer, error) {
	if len(b.only) > 0 && !slices.Contains(b.only, "crossgate") {
		return nil, nil
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &changer{name: "crossgate"}
	if c.port, err = freePort(); err != nil {
		return nil, err
	}
	file := filepath.Join(b.dir, "change-crossgate.json")
	if err := renderTo("scale.json", file, map[string]any{"HTTP": c.port, "Upstream": b.upstreamPort, "Size": size{}}); err != nil {
		return nil, err
	}
	c.change = func(string) error { return c.proc.cmd.Process.Signal(syscall.SIGHUP) }
	c.proc, err = b.startProxy(ctx, "change-crossgate", []string{self, "engine", file, strconv.Itoa(changedRoutes)}, c.port)
	return c, err
}

// startEnvoyRDS runs an Envoy that reads its routes from a file.
func (b *bench) startEnvoyRDS(ctx context.Context) (*changer, error) {
	if len(b.only) > 0 && !slices.Contains(b.only, "envoy") {
		return nil, nil
	}
	c := &changer{name: "envoy"}
	var err error
	if c.port, err = freePort(); err != nil {
		return nil, err
	}
	routes := filepath.Join(b.dir, "change-routes.json")
	c.change = func(body string) error { return writeRoutes(routes, body) }
	if err := c.change("body"); err != nil {
		return nil, err
	}
	file := filepath.Join(b.dir, "change-envoy.yaml")
	if err := renderTo("change.yaml", file, map[string]any{"HTTP": c.port, "Upstream": b.upstreamPort, "Routes": routes}); err != nil {
		return nil, err
	}
	command := []string{b.envoy, "-c", file, "--concurrency", "1", "-l", "error", "--disable-hot-restart"}
	c.proc, err = b.startProxy(ctx, "change-envoy", command, c.port)
	if err != nil && c.proc == nil {
		return nil, err
	}
	return c, err
}

// writeRoutes puts the answer of Envoy's route discovery in the place of the last one.
func writeRoutes(file, body string) error {
	var text strings.Builder
	text.WriteString(`{"version_info": "` + body + `", "resources": [{"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",` +
		`"name": "bench", "virtual_hosts": [{"name": "api", "domains": ["` + host + `"], "routes": [`)
	// The two that are asked for come first: Envoy looks at one route after the other.
	fmt.Fprintf(&text, `{"match": {"prefix": "/changed/"}, "direct_response": {"status": 200, "body": {"inline_string": %q}}},`, body)
	text.WriteString(`{"match": {"prefix": "/api"}, "route": {"cluster": "backend", "timeout": "0s"}}`)
	for i := range changedRoutes {
		fmt.Fprintf(&text, `,{"match": {"prefix": "/svc%d/"}, "route": {"cluster": "backend"}}`, i)
	}
	text.WriteString(`]}]}]}`)
	if err := os.WriteFile(file+".new", []byte(text.String()), 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}
