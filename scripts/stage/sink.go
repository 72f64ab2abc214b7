package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
)

// counts are the tests of a stage, subtests included.
type counts struct {
	Passed   int `json:"passed"`
	Failures int `json:"failures"`
	Skipped  int `json:"skipped"`
}

// A sink takes what a stage's command prints and keeps what may have to be shown.
type sink struct {
	gotest bool

	mu     sync.Mutex
	plain  bytes.Buffer // everything that is not a test event
	line   bytes.Buffer // the unfinished line of the event stream
	output map[testID]*bytes.Buffer
	failed []testID
	skips  []string
	tally  counts
	broken map[string]bool // packages with a failed test
}

type testID struct{ pkg, test string }

func newSink(gotest bool) *sink {
	return &sink{gotest: gotest, output: map[testID]*bytes.Buffer{}, broken: map[string]bool{}}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func (s *sink) stderr() io.Writer {
	return writerFunc(func(p []byte) (int, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.plain.Write(p)
	})
}

func (s *sink) stdout() io.Writer {
	if !s.gotest {
		return s.stderr()
	}
	return writerFunc(func(p []byte) (int, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.line.Write(p)
		for {
			i := bytes.IndexByte(s.line.Bytes(), '\n')
			if i < 0 {
				return len(p), nil
			}
			s.event(s.line.Next(i + 1))
		}
	})
}

// flush takes a last line that has no end.
func (s *sink) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.line.Len() > 0 {
		s.event(s.line.Next(s.line.Len()))
	}
}

// event takes one line of the test2json stream; a line that is none is kept as
// it is (see "go doc test2json").
func (s *sink) event(line []byte) {
	var e struct{ Action, Package, Test, Output string }
	if len(line) == 0 || line[0] != '{' || json.Unmarshal(line, &e) != nil {
		s.plain.Write(line)
		return
	}
	id := testID{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		s.plain.WriteString(e.Output)
	case "output":
		if s.output[id] == nil {
			s.output[id] = &bytes.Buffer{}
		}
		s.output[id].WriteString(e.Output)
	case "pass":
		if e.Test != "" {
			s.tally.Passed++
		}
		delete(s.output, id)
	case "skip":
		if e.Test != "" {
			s.tally.Skipped++
			s.skips = append(s.skips, fmt.Sprintf("%s %s: %s", short(e.Package), e.Test, reason(s.output[id])))
		}
		delete(s.output, id)
	case "fail":
		s.fail(id)
	}
}

// fail counts a failure. A package that fails without a failed test (it did not
// build, it panicked, a TestMain complained) counts as one.
func (s *sink) fail(id testID) {
	if id.test == "" && s.broken[id.pkg] {
		return
	}
	s.broken[id.pkg] = true
	s.tally.Failures++
	s.failed = append(s.failed, id)
}

func (s *sink) counts() counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tally
}

// progress is a few words about how far the stage is.
func (s *sink) progress() string {
	c := s.counts()
	if !s.gotest {
		return ""
	}
	return fmt.Sprintf("(%d passed, %d failed)", c.Passed, c.Failures)
}

// printFailure prints what helps to understand the failure. Tests that neither
// passed nor failed were running when the stage was ended: they are named.
func (s *sink) printFailure(w io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	indent(w, s.plain.String())
	for _, id := range s.failed {
		if out := s.output[id]; out != nil {
			indent(w, out.String())
			delete(s.output, id)
		}
	}
	for id := range s.output {
		if id.test != "" && !s.broken[id.pkg] {
			fmt.Fprintf(w, "   not finished: %s %s\n", short(id.pkg), id.test)
		}
	}
}

func (s *sink) printSkips(w io.Writer) {
	for _, skip := range s.skips {
		fmt.Fprintln(w, "   skipped:", skip)
	}
}

func indent(w io.Writer, text string) {
	for line := range strings.Lines(text) {
		fmt.Fprintf(w, "   %s\n", strings.TrimRight(line, "\n"))
	}
}

// reason finds the words given to t.Skip in the output of a skipped test.
func reason(out *bytes.Buffer) string {
	if out == nil {
		return "no reason given"
	}
	for line := range strings.Lines(out.String()) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
			return line
		}
	}
	return "no reason given"
}

func short(pkg string) string {
	return strings.TrimPrefix(pkg, "github.com/crossgate/crossgate/")
}
