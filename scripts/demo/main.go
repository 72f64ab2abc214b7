// Command demo runs an example as a new user would: a backend, a gateway over
// HTTPS in front of it, and a list of things to try. It ends on Ctrl-C, or after
// -for, when it has also asked the gateway itself and fails if the answer to the
// preflight is not the one it promised.
package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const example = "examples/https-gateway"

func main() {
	d := demo{}
	flag.StringVar(&d.bin, "bin", "bin/crossgate", "the crossgate binary")
	flag.DurationVar(&d.limit, "for", 0, "check the answer and end after this time (0: run until Ctrl-C)")
	flag.IntVar(&d.offset, "port-offset", 0, "added to every port")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := d.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

type demo struct {
	bin    string
	limit  time.Duration
	offset int
}

// run starts the backend and the gateway and waits for the end of the demo.
func (d demo) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	backend, err := freeAddress()
	if err != nil {
		return err
	}
	var children sync.WaitGroup
	defer children.Wait()
	defer cancel() // before the wait: it is what ends the children

	ended := make(chan error, 2)
	start := func(stdout io.Writer, args ...string) error {
		cmd := exec.CommandContext(ctx, d.bin, args...)
		cmd.Stdout, cmd.Stderr = stdout, os.Stderr
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		cmd.WaitDelay = 10 * time.Second
		if err := cmd.Start(); err != nil {
			return err
		}
		children.Go(func() {
			if err := cmd.Wait(); ctx.Err() == nil {
				ended <- fmt.Errorf("crossgate %s ended: %w", args[0], cmp.Or(err, errors.New("without an error")))
			}
		})
		return nil
	}
	ready := make(chan struct{})
	if err := start(io.Discard, "echo", "--listen", backend); err != nil {
		return err
	}
	if err := start(untilReady(ready), "serve", example, "--dev-certs",
		"--upstream", "catalog.shop:8080="+backend, "--port-offset", strconv.Itoa(d.offset)); err != nil {
		return err
	}
	select {
	case <-ready:
	case err := <-ended:
		return err
	case <-ctx.Done():
		return nil
	}
	return d.show(ctx, ended)
}

// show prints what to try, and waits.
func (d demo) show(ctx context.Context, ended <-chan error) error {
	t, err := newTour(d.bin, d.offset)
	if err != nil {
		return err
	}
	t.print(os.Stdout)
	if d.limit > 0 {
		if err := t.check(ctx, os.Stdout); err != nil {
			return err
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.limit)
		defer cancel()
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return nil
	}
}

// untilReady returns a writer that passes lines on to stdout and closes ready
// at the line that says so.
func untilReady(ready chan<- struct{}) io.Writer {
	r, w := io.Pipe()
	go func() {
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			fmt.Println(lines.Text())
			if lines.Text() == "ready" && ready != nil {
				close(ready)
				ready = nil
			}
		}
		io.Copy(io.Discard, r) //nolint:errcheck // a line too long ends the scanner, not the gateway
	}()
	return w
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
