package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// A result is what a stage leaves behind.
type result struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
	Failed  bool    `json:"failed"`
	counts
}

// summary is the result in words, for the line that ends a stage.
func (r result) summary(gotest bool) string {
	switch {
	case gotest:
		return fmt.Sprintf("%d passed, %d failed, %d skipped in ", r.Passed, r.Failures, r.Skipped)
	case r.Failed:
		return "failed after "
	}
	return "ok in "
}

// appendTo adds the result to the record; an empty path records nothing.
func (r result) appendTo(path string) error {
	if path == "" {
		return nil
	}
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

// printReport prints the recorded stages and returns the exit code: 1 when one
// failed or nothing was recorded.
func printReport(w io.Writer, path string) int {
	data, err := os.ReadFile(path)
	if err != nil {
		fmt.Fprintln(w, "stage: no record:", err)
		return 1
	}
	var sum counts
	var seconds float64
	code := 0
	fmt.Fprintln(w, "\n== stages")
	for line := range bytes.Lines(data) {
		var r result
		if err := json.Unmarshal(line, &r); err != nil {
			fmt.Fprintln(w, "stage: bad record:", err)
			return 1
		}
		mark := ""
		if r.Failed {
			mark, code = "  FAILED", 1
		}
		fmt.Fprintf(w, "   %7.1fs  %s%s\n", r.Seconds, r.Name, mark)
		seconds += r.Seconds
		sum.Passed += r.Passed
		sum.Failures += r.Failures
		sum.Skipped += r.Skipped
	}
	fmt.Fprintf(w, "   %7.1fs  together\n", seconds)
	fmt.Fprintf(w, "%d passed, %d failed, %d skipped\n", sum.Passed, sum.Failures, sum.Skipped)
	return code
}
