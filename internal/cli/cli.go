package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// The exit codes, the same for every command.
const (
	exitOK       = 0
	exitFindings = 1 // errors or findings: the reasons are printed
	exitUsage    = 2 // the command line is wrong
)

// program is what a command gets of the process it runs in.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
}

// errFindings ends a command with exitFindings when all there is to say is
// printed already.
var errFindings = errors.New("findings")

// runError marks an error of a command that has begun its work. All others come
// from reading the command line.
type runError struct{ error }

func (e runError) Unwrap() error { return e.error }

// usageError marks an error of the command line that a command finds itself.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Main runs one command line, without the program's name, and returns the exit
// code. It ends early when ctx does. Stdout and stderr are written from one
// goroutine at a time.
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := &program{stdin: stdin, stdout: serialized(stdout), stderr: serialized(stderr)}
	root := p.root()
	root.SetArgs(args)
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	if errors.Is(err, errFindings) {
		return exitFindings
	}
	fmt.Fprintf(p.stderr, "crossgate: %v\n", err)
	var ran runError
	var usage usageError
	if errors.As(err, &ran) && !errors.As(err, &usage) {
		return exitFindings
	}
	fmt.Fprintf(p.stderr, "Run '%s --help' for the usage.\n", cmd.CommandPath())
	return exitUsage
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "crossgate",
		Short: "Run Istio traffic configuration, with CORS as its strongest side",
		Long: `crossgate runs Istio traffic configuration (Gateway, VirtualService,
DestinationRule, ServiceEntry, Secret) from plain files: as a gateway on this
machine, or as configuration for Envoy.`,
		Example: `  # A backend to try with, and a gateway in front of it
  crossgate echo --listen 127.0.0.1:3000 &
  crossgate serve virtualservice.yaml --upstream api-service=127.0.0.1:3000

  # What is wrong with these files?
  crossgate analyze config/`,
		SilenceErrors:              true,
		SilenceUsage:               true,
		SuggestionsMinimumDistance: 2,
	}
	root.AddCommand(
		p.serveCommand(),
		p.proxyCommand(),
		p.translateCommand(),
		p.analyzeCommand(),
		p.explainCommand(),
		p.proxyConfigCommand(),
		p.echoCommand(),
		p.versionCommand(),
	)
	completeProfiles(root)
	return root
}

// run adapts a command's function to cobra.
func run(f func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := f(cmd.Context(), args); err != nil {
			return runError{err}
		}
		return nil
	}
}
