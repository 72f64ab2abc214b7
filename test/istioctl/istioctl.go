package istioctl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crossgate/crossgate/internal/cli"
	"github.com/crossgate/crossgate/test/envoy"
)

// skipped counts the tests that had no istioctl to compare with.
var skipped atomic.Int64

// find returns the path of the real istioctl: $CROSSGATE_ISTIOCTL, or the one
// that scripts/install-tools.sh builds.
func find() (string, error) {
	p := os.Getenv("CROSSGATE_ISTIOCTL")
	if p == "" {
		p = filepath.Join(envoy.Root(), ".tools", "istioctl", "istioctl")
	}
	if _, err := os.Stat(p); err != nil {
		return "", errors.New("no istioctl: run scripts/install-tools.sh istioctl, or set CROSSGATE_ISTIOCTL")
	}
	return p, nil
}

// require returns the path of istioctl, or skips the test. In the CI it must be
// there.
func require(t *testing.T) string {
	t.Helper()
	p, err := find()
	if err == nil {
		return p
	}
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	skipped.Add(1)
	t.Skip(err)
	return ""
}

// printed is what a command did.
type printed struct {
	code           int
	stdout, stderr string
}

// runLimit bounds one run of istioctl.
const runLimit = time.Minute

// istioctl runs the real one, where there is no cluster.
func istioctl(t *testing.T, bin string, stdin []byte, args ...string) printed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, append([]string{"proxy-config"}, args...)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+filepath.Join(t.TempDir(), "none"), "HOME="+t.TempDir(), "TZ=UTC")
	cmd.Stdin = bytes.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return printed{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// ours runs crossgate's command line.
func ours(t *testing.T, stdin []byte, args ...string) printed {
	t.Helper()
	var out, errs bytes.Buffer
	code := cli.Main(t.Context(), args, bytes.NewReader(stdin), &out, &errs)
	return printed{code, out.String(), errs.String()}
}

func (p printed) String() string {
	return fmt.Sprintf("exit code %d\n%s%s", p.code, p.stderr, p.stdout)
}
