package istioctl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/crossgate/crossgate/internal/cli"
	"github.com/crossgate/crossgate/test/tool"
)

var (
	real = tool.Istioctl()
	jq   = tool.Tool{Name: "jq", Part: "istioctl", Places: []string{"jq"}}
)

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
