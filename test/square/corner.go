package square

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/crossgate/crossgate/test/envoy"
	"github.com/crossgate/crossgate/test/rawhttp"
)

const (
	startLimit  = 30 * time.Second
	answerLimit = 10 * time.Second
)

// Corner is a data plane of the square: a running proxy.
type Corner struct {
	Name string
	placed
	proc *envoy.Process
	desk *rawhttp.Desk
	ids  *atomic.Int64
}

// plane is a data plane that a corner runs.
type plane struct {
	name string // envoy or engine
	bin  string
}

// start starts every data plane with its own copy of the bootstrap and waits
// until all of them accept connections.
func start(planes []plane, dir string, bootstrap []byte, desk *rawhttp.Desk) (corners []*Corner, err error) {
	ids := new(atomic.Int64)
	defer func() {
		if err != nil {
			_ = stop(corners)
		}
	}()
	for i, plane := range planes {
		c := &Corner{Name: plane.name, desk: desk, ids: ids}
		if c.placed, err = place(bootstrap); err != nil {
			return corners, err
		}
		file := filepath.Join(dir, fmt.Sprintf("%d-%s.json", i, plane.name))
		if err := os.WriteFile(file, c.text, 0o600); err != nil {
			return corners, err
		}
		if plane.name == "envoy" {
			c.proc, err = envoy.Start(plane.bin, file)
		} else {
			c.proc, err = envoy.Run(exec.Command(plane.bin, "proxy", "-c", file))
		}
		if err != nil {
			return corners, err
		}
		corners = append(corners, c)
	}
	for _, c := range corners {
		if err := c.proc.WaitFor(startLimit, c.accepts); err != nil {
			return corners, fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	return corners, nil
}

// accepts reports whether all listeners of the corner take connections.
func (c *Corner) accepts() bool {
	for _, addr := range c.addrs {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return false
		}
		_ = conn.Close()
	}
	return true
}

func stop(corners []*Corner) error {
	var failed error
	for _, c := range corners {
		if err := c.proc.Stop(); err != nil {
			failed = err
		}
	}
	return failed
}

// do sends the request over a connection of its own.
func (c *Corner) do(tc *Case) (Answer, error) {
	conn, err := c.dial(tc.Listener)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = conn.Close() }()
	return c.send(conn, tc), nil
}

func (c *Corner) dial(listener string) (*rawhttp.Conn, error) {
	if listener == "" {
		listener = c.first
	}
	addr, ok := c.addrs[listener]
	if !ok {
		return nil, fmt.Errorf("the bootstrap has no listener %q", listener)
	}
	return rawhttp.Dial(addr, answerLimit)
}

// send sends the request over conn and collects the answer.
func (c *Corner) send(conn *rawhttp.Conn, tc *Case) Answer {
	// The ids have one length, so that no size depends on them.
	id := fmt.Sprintf("%08d", c.ids.Add(1))
	c.desk.Expect(id, tc.Plan)
	resp := conn.Do(tc.Request.Bytes(id), tc.Request.Method)
	return Answer{Response: resp, Upstream: c.desk.Take(id)}
}

// The profiles that scripts of resources run with, in their order.
const (
	profileIstio    = "istio"
	profileHardened = "hardened"
)

// translate makes the bootstrap of the resources in dir under a profile; certificates
// and keys go to keys.
func translate(crossgate, profile, dir, keys string) ([]byte, error) {
	cmd := exec.Command(crossgate, "translate", dir, "--as", "bootstrap", "--key-dir", keys, "--profile", profile)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("crossgate translate: %w\n%s", err, stderr.Bytes())
	}
	return out, nil
}
