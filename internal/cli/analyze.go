package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/crossgate/crossgate/internal/pipeline"
	"github.com/crossgate/crossgate/internal/source"
)

func (p *program) analyzeCommand() *cobra.Command {
	var input inputFlags
	var output, color string
	cmd := &cobra.Command{
		Use:   "analyze PATH...",
		Short: "Tell what is wrong with configuration files",
		Long: `analyze reads files and directories (- is standard input) as serve does, and
prints what it would complain about: one finding a line, with file, line and
column.

It exits with 0 when there is nothing to repair (notes of severity info do not
count), 1 when there are errors or warnings, and 2 when the command line is
wrong.`,
		Example: `  crossgate analyze config/
  kubectl get gateway,virtualservice -A -o yaml | crossgate analyze -
  crossgate analyze -o json config/ | jq '.[].code'`,
		Args: cobra.MinimumNArgs(1),
		RunE: run(func(_ context.Context, paths []string) error {
			return p.analyze(paths, input, output, color)
		}),
	}
	input.register(cmd.Flags())
	outputFlag(cmd, &output)
	colorFlag(cmd, &color)
	return cmd
}

func (p *program) analyze(paths []string, input inputFlags, output, color string) error {
	opts, err := input.options()
	if err != nil {
		return err
	}
	printer, err := newPrinter(p.stdout, output, color)
	if err != nil {
		return err
	}
	update := source.Load(paths, p.stdin, input.parse())
	res := pipeline.NewBuilder(opts).Build(update)
	if err := printer.print(res.Diags); err != nil {
		return err
	}
	if output == outputText {
		fmt.Fprintf(p.stderr, "%d objects: %s\n", res.Set.Len(), res.Diags.Summary())
	}
	if hasFindings(res.Diags) {
		return errFindings
	}
	return nil
}
