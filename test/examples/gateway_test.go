package examples

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/crossgate/crossgate/internal/devkit"
	"github.com/crossgate/crossgate/test/envoy"
)

// A sandbox is where the commands of the documents run: at the top of the
// repository, with a home of their own, and on ports of their own.
type sandbox struct {
	bin, home string
	backend   string        // the address of the demo backend
	offset    int           // of every port
	output    func() string // of the proxy that runs, or ran last
}

// binary builds crossgate, once for all tests.
func binary(t *testing.T) string {
	t.Helper()
	bin, err := buildBinary()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// newSandbox makes a home and starts the backend.
func newSandbox(t *testing.T) *sandbox {
	t.Helper()
	s := &sandbox{bin: binary(t), home: t.TempDir(), offset: freeOffset(t)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: devkit.Echo{}, ReadHeaderTimeout: 10 * time.Second}
	go srv.Serve(l) //nolint:errcheck // it ends with the test
	t.Cleanup(func() { srv.Close() })
	s.backend = l.Addr().String()
	return s
}

// ports are those that a document may name.
var ports = []int{8080, 8443, 15000, 15021, 15090}

// freeOffset finds an offset at which all ports are free. They stay below those that
// the system gives to clients, all of which may be taken for a minute by connections
// that have ended.
func freeOffset(t *testing.T) int {
	t.Helper()
	for offset := 4000 + os.Getpid()%1000; offset < 17000; offset += 61 {
		if !slices.ContainsFunc(ports, func(port int) bool { return inUse(port + offset) }) {
			return offset
		}
	}
	t.Fatal("no free ports")
	return 0
}

func inUse(port int) bool {
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return true
	}
	return l.Close() != nil
}

// args are the arguments of a serve command with our ports and our backend.
func (s *sandbox) args(serve []string) []string {
	out := []string{"--port-offset", strconv.Itoa(s.offset)}
	for _, arg := range serve {
		out = append(out, strings.ReplaceAll(arg, "127.0.0.1:3000", s.backend))
	}
	return out
}

func (s *sandbox) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = envoy.Root()
	cmd.Env = append(os.Environ(), "HOME="+s.home, "XDG_CONFIG_HOME=", "PATH="+filepath.Dir(s.bin)+":"+os.Getenv("PATH"))
	return cmd
}

// start runs a proxy until the test ends; it returns a function that ends it
// before.
func (s *sandbox) start(t *testing.T, cmd *exec.Cmd, ready func(p *envoy.Process) bool) (stop func()) {
	t.Helper()
	p, err := envoy.Run(cmd)
	if err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	if err := p.WaitFor(30*time.Second, func() bool { return ready(p) }); err != nil {
		t.Fatal(err)
	}
	s.output = p.Output
	return stop
}

// serve starts our own gateway.
func (s *sandbox) serve(t *testing.T, args []string) (stop func()) {
	t.Helper()
	return s.start(t, s.command(s.bin, append([]string{"serve"}, s.args(args)...)...), func(p *envoy.Process) bool {
		return strings.Contains(p.Output(), "\nready\n")
	})
}

// serveEnvoy starts an Envoy on what translate makes of the same arguments.
func (s *sandbox) serveEnvoy(t *testing.T, bin string, args []string) (stop func()) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "bootstrap.json")
	translate := s.command(s.bin, append([]string{"translate", "--as", "bootstrap", "-o", file}, s.args(args)...)...)
	if out, err := translate.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", translate.Args, err, out)
	}
	cmd := s.command(bin, "-c", file, "--use-dynamic-base-id", "--concurrency", "1", "-l", "error", "--file-flush-interval-msec", "100")
	url := fmt.Sprintf("http://127.0.0.1:%d/ready", 15000+s.offset)
	return s.start(t, cmd, func(*envoy.Process) bool {
		resp, err := http.Get(url)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// run executes the command of a block, compares what it prints with what the
// document says, and returns it.
func (s *sandbox) run(t *testing.T, file string, b block) []string {
	t.Helper()
	text := b.command
	for _, port := range ports {
		text = strings.ReplaceAll(text, ":"+strconv.Itoa(port), ":"+strconv.Itoa(port+s.offset))
	}
	cmd := s.command("sh", "-c", text)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("%s:%d: %s\n%v", file, b.line, b.command, err)
	}
	got := stable(out.String())
	if want := stable(strings.Join(b.want, "\n")); !matches(want, got) && !*update {
		t.Errorf("%s:%d: $ %s\nprints\n%s\nwant\n%s", file, b.line, b.command, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	return got
}

// requireCurl skips the test where the documents' commands cannot run.
func requireCurl(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the commands are for a POSIX shell")
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip(err)
	}
}
