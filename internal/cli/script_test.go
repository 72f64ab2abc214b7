package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/crossgate/crossgate/internal/cli"
)

// patience is how long a script waits for what must happen.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"crossgate": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		context.AfterFunc(ctx, stop)
		os.Exit(cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}})
}

// TestScripts runs testdata/script. Beside testscript's own commands there are:
//
//	exits CODE ARGS...      runs crossgate, which must end with the code
//	start NAME ARGS...      runs crossgate in the background; NAME.out and
//	                        NAME.err get what it writes
//	await FILE REGEXP       waits until the file matches
//	get URL [HEADER...]     sends a request; its answer is the standard output
//	until REGEXP URL [HEADER...]
//	                        the same, again and again until the answer matches
//	slow NAME URL [HEADER...]
//	                        sends a request in the background; NAME.out gets the
//	                        answer
//	end NAME [CODE]         sends SIGTERM, and waits for the code (0)
//	signal NAME             sends SIGTERM and does not wait
//	expand TEMPLATE FILE VERSION HOST
//	                        writes the file with the words VERSION and HOST
//	                        replaced, in place
//	replace FILE OLD NEW    replaces a word of the file
//
// The first of start's ARGS may be <FILE for the standard input.
//
// Every script has ports of its own: $OFFSET for --port-offset, and what it
// makes of the usual ones in $HTTP, $HTTPS, $ADMIN, $READY, $METRICS; $PORT and
// $PORT2 are free.
func TestScripts(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGTERM")
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup:               setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"start":   start,
			"await":   await,
			"get":     get,
			"until":   until,
			"slow":    slow,
			"end":     end,
			"expand":  expand,
			"replace": replace,
			"signal":  sendSignal,
		},
	})
}

type processesKey struct{}

// processes are those a script started, by name.
type processes struct{ byName map[string]*exec.Cmd }

func setup(env *testscript.Env) error {
	offset := freeOffset()
	for name, port := range map[string]int{"HTTP": 8080, "HTTPS": 8443, "ADMIN": 15000, "READY": 15021, "METRICS": 15090, "PORT": 3000, "PORT2": 3001} {
		env.Setenv(name, strconv.Itoa(port+offset))
	}
	env.Setenv("OFFSET", strconv.Itoa(offset))
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
	p := &processes{byName: map[string]*exec.Cmd{}}
	env.Values[processesKey{}] = p
	env.Defer(func() {
		for _, cmd := range p.byName {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	return nil
}

// freeOffset returns a --port-offset whose ports are free now and below those
// that systems give to clients.
func freeOffset() int {
	for {
		offset := 1000 + rand.IntN(16000)
		free := true
		for _, port := range []int{3000, 3001, 8080, 8443, 15000, 15021, 15090} {
			ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+offset))
			if err != nil {
				free = false
				break
			}
			ln.Close()
		}
		if free {
			return offset
		}
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exits CODE ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec("crossgate", args[1:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func start(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start NAME ARGS...")
	}
	var stdin io.Reader
	if file, ok := strings.CutPrefix(args[1], "<"); ok {
		stdin = strings.NewReader(ts.ReadFile(file))
		args = append(args[:1], args[2:]...)
	}
	cmd := exec.Command("crossgate", args[1:]...)
	cmd.Stdin = stdin
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"), "XDG_CONFIG_HOME="+ts.Getenv("XDG_CONFIG_HOME"))
	for suffix, w := range map[string]*io.Writer{".out": &cmd.Stdout, ".err": &cmd.Stderr} {
		f, err := os.Create(ts.MkAbs(args[0] + suffix))
		ts.Check(err)
		defer f.Close()
		*w = f
	}
	ts.Check(cmd.Start())
	running(ts).byName[args[0]] = cmd
}

func running(ts *testscript.TestScript) *processes { return ts.Value(processesKey{}).(*processes) }

func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE REGEXP")
	}
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	var data []byte
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if data, _ = os.ReadFile(ts.MkAbs(args[0])); re.Match(data) {
			return
		}
	}
	ts.Fatalf("%s never matched %q; it is\n%s%s", args[0], args[1], data, others(ts))
}

// others returns what the processes of a script logged.
func others(ts *testscript.TestScript) string {
	var b strings.Builder
	for name := range running(ts).byName {
		data, _ := os.ReadFile(ts.MkAbs(name + ".err"))
		fmt.Fprintf(&b, "-- %s.err --\n%s", name, data)
	}
	return b.String()
}

func get(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: get URL [HEADER...]")
	}
	answer, err := fetch(args)
	ts.Check(err)
	io.WriteString(ts.Stdout(), answer)
}

func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until REGEXP URL [HEADER...]")
	}
	re, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	var answer string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if answer, err = fetch(args[1:]); err == nil && re.MatchString(answer) {
			io.WriteString(ts.Stdout(), answer)
			return
		}
	}
	ts.Fatalf("the answer never matched %q; it is\n%s%v\n%s", args[0], answer, err, others(ts))
}

// fetch sends GET, or OPTIONS where a header asks for a preflight, and renders
// the answer. The header Host names the host.
func fetch(args []string) (string, error) {
	req, err := http.NewRequest("GET", args[0], nil)
	if err != nil {
		return "", err
	}
	for _, h := range args[1:] {
		name, value, _ := strings.Cut(h, ": ")
		switch name {
		case "Host":
			req.Host = value
		case "Access-Control-Request-Method":
			req.Method = "OPTIONS"
			fallthrough
		default:
			req.Header.Set(name, value)
		}
	}
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       patience,
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	fmt.Fprintln(&b, resp.StatusCode)
	resp.Header.Write(&b)
	b.WriteByte('\n')
	_, err = b.ReadFrom(resp.Body)
	return b.String(), err
}

func slow(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: slow NAME URL [HEADER...]")
	}
	file := ts.MkAbs(args[0] + ".out")
	go func() {
		answer, err := fetch(args[1:])
		if err != nil {
			answer = err.Error()
		}
		os.WriteFile(file, []byte(answer), 0o644)
	}()
}

func expand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: expand TEMPLATE FILE VERSION HOST")
	}
	text := strings.NewReplacer("VERSION", args[2], "HOST", args[3]).Replace(ts.ReadFile(args[0]))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o644))
}

func replace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace FILE OLD NEW")
	}
	text := strings.ReplaceAll(ts.ReadFile(args[0]), args[1], args[2])
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o644))
}

func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: signal NAME")
	}
	cmd := running(ts).byName[args[0]]
	if cmd == nil {
		ts.Fatalf("%s was not started", args[0])
	}
	ts.Check(cmd.Process.Signal(syscall.SIGTERM))
}

func end(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: end NAME [CODE]")
	}
	want := 0
	if len(args) == 2 {
		var err error
		want, err = strconv.Atoi(args[1])
		ts.Check(err)
	}
	sendSignal(ts, false, args[:1])
	p := running(ts)
	cmd := p.byName[args[0]]
	delete(p.byName, args[0])
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case <-ended:
	case <-time.After(patience):
		cmd.Process.Kill()
		<-ended
		ts.Fatalf("%s did not end", args[0])
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("%s ended with %d, want %d", args[0], got, want)
	}
}
