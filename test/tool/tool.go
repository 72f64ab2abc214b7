package tool

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// Tool is a program that scripts/install-tools.sh installs.
type Tool struct {
	// Name is the program's, for messages.
	Name string
	// Part is what scripts/install-tools.sh calls it.
	Part string
	// Variable, if set, names an environment variable with the program's path,
	// which goes before Places.
	Variable string
	// Places are where the program is: paths below .tools, or commands.
	Places []string

	skipped atomic.Int64
}

// Find returns the path of the program; an error says how to get it.
func (t *Tool) Find() (string, error) {
	if p := os.Getenv(t.Variable); t.Variable != "" && p != "" {
		if _, err := os.Stat(p); err != nil {
			return "", fmt.Errorf("%s: %w", t.Variable, err)
		}
		return p, nil
	}
	for _, place := range t.Places {
		if filepath.Base(place) == place {
			if p, err := exec.LookPath(place); err == nil {
				return p, nil
			}
			continue
		}
		p := filepath.Join(Root(), ".tools", place)
		if _, err := os.Stat(p); err == nil {
			return p, nil
		}
	}
	hint := ""
	if t.Variable != "" {
		hint = ", or set " + t.Variable
	}
	return "", fmt.Errorf("no %s: run scripts/install-tools.sh %s%s", t.Name, t.Part, hint)
}

// Require returns the path of the program. Without one it skips the test, and
// fails it where CI=true: there a skipped comparison would be taken for a passed
// one.
func (t *Tool) Require(tb testing.TB) string {
	tb.Helper()
	p, err := t.Find()
	if err == nil {
		return p
	}
	if os.Getenv("CI") == "true" {
		tb.Fatal(err)
	}
	t.skipped.Add(1)
	tb.Skip(err)
	return ""
}

// ReportSkipped prints how many tests had no such program. A TestMain calls it
// last.
func (t *Tool) ReportSkipped() {
	if n := t.skipped.Load(); n > 0 {
		fmt.Printf("SKIPPED: %d tests were not compared with a real %s (scripts/install-tools.sh %s installs it)\n", n, t.Name, t.Part)
	}
}

// Istioctl returns the real istioctl.
func Istioctl() *Tool {
	return &Tool{Name: "istioctl", Part: "istioctl", Variable: "CROSSGATE_ISTIOCTL", Places: []string{"istioctl/istioctl"}}
}

// Root returns the top folder of the repository: the one above the working
// directory that holds go.mod (go test runs a test in its package's folder).
func Root() string {
	dir, err := os.Getwd()
	if err != nil {
		return "."
	}
	for d := dir; d != filepath.Dir(d); d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "go.mod")); err == nil {
			return d
		}
	}
	return dir
}
