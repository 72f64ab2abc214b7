package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	budget := flag.Duration("budget", 2*time.Minute, "the time after which the stage is ended")
	gotest := flag.Bool("gotest", false, `the command prints what "go test -json" prints`)
	report := flag.Bool("report", false, "print the recorded stages and the sum of their tests")
	flag.Parse()
	record := os.Getenv("STAGE_RECORD")
	if *report {
		os.Exit(printReport(os.Stdout, record))
	}
	if flag.NArg() < 2 {
		fmt.Fprintln(os.Stderr, "usage: stage [-budget D] [-gotest] NAME COMMAND [ARG...]")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := stage{name: flag.Arg(0), command: flag.Args()[1:], budget: *budget, gotest: *gotest, strict: os.Getenv("CI") == "true"}
	res := s.run(ctx, os.Stdout)
	if err := res.appendTo(record); err != nil {
		fmt.Fprintln(os.Stderr, "stage:", err)
		os.Exit(1)
	}
	if res.Failed {
		os.Exit(1)
	}
}

// A stage is one command with a name and a budget.
type stage struct {
	name    string
	command []string
	budget  time.Duration
	gotest  bool
	strict  bool // a skip is a failure
}

// run executes the stage and tells w about it.
func (s *stage) run(ctx context.Context, w io.Writer) result {
	fmt.Fprintf(w, "== %s (at most %s)\n", s.name, s.budget)
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, s.budget)
	defer cancel()

	sink := newSink(s.gotest)
	cmd := exec.CommandContext(ctx, s.command[0], s.command[1:]...)
	cmd.Stdout, cmd.Stderr = sink.stdout(), sink.stderr()
	endTogether(cmd)
	stopProgress := progress(w, began, sink)
	err := cmd.Run()
	stopProgress()
	sink.flush()

	res := result{Name: s.name, Seconds: time.Since(began).Seconds(), counts: sink.counts()}
	if ctx.Err() != nil {
		err = fmt.Errorf("over its budget of %s", s.budget)
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = errors.New("interrupted")
		}
	}
	res.Failed = err != nil
	if res.Failed {
		sink.printFailure(w)
		fmt.Fprintf(w, "   FAILED: %v\n", err)
	}
	sink.printSkips(w)
	if s.strict && res.Skipped > 0 {
		fmt.Fprintln(w, "   FAILED: with CI=true nothing may be skipped")
		res.Failed = true
	}
	fmt.Fprintf(w, "   %s%.1fs\n", res.summary(s.gotest), res.Seconds)
	return res
}

// progress says every 20 seconds that the stage is alive, until the returned
// function is called.
func progress(w io.Writer, began time.Time, s *sink) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(20 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				fmt.Fprintf(w, "   … %s %s\n", time.Since(began).Round(time.Second), s.progress())
			}
		}
	}()
	return func() { close(done); <-ended }
}
