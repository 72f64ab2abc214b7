package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/crossgate/crossgate/internal/check"
	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/pipeline"
	"github.com/crossgate/crossgate/internal/source"
)

// The formats of analyze beside those of every command.
const (
	outputYAML  = "yaml"
	outputSARIF = "sarif"
)

// analyzeFlags are the choices of analyze.
type analyzeFlags struct {
	input         inputFlags
	output, color string
	all           bool
	threshold     string
	suppress      []string
	list, watch   bool
	fix           bool
	explain       string
	adminPort     int
	portOffset    int
}

func (p *program) analyzeCommand() *cobra.Command {
	var f analyzeFlags
	cmd := &cobra.Command{
		Use:   "analyze [PATH...]",
		Short: "Tell what is wrong with configuration files",
		Long: `analyze reads files and directories (- is standard input) as serve does, and
prints what it would complain about: one finding a line, with file, line and
column. Without a path it asks the instance that runs on this machine.

It exits with 0 when there is nothing to repair (notes of severity info do not
count, see --failure-threshold), 1 when there is, and 2 when the command line is
wrong. Codes that begin with IST are those of istioctl analyze.`,
		Example: `  crossgate analyze config/
  kubectl get gateway,virtualservice -A -o yaml | crossgate analyze -
  crossgate analyze -o json config/ | jq '.[].code'

  # Each time that a file changes
  crossgate analyze --watch config/

  # For code scanning
  crossgate analyze -o sarif config/ > crossgate.sarif

  # Write the safe pattern where it is certain, and see what is left
  crossgate analyze --fix config/

  # What a finding means
  crossgate analyze --explain CG0604

  # What the running instance has to say of one namespace
  crossgate analyze -n production`,
	}
	fs := cmd.Flags()
	f.input.register(fs)
	fs.Lookup("namespace").Usage = "`namespace` to analyze, and that of objects that name none (default: all, and default)"
	fs.BoolVarP(&f.all, "all-namespaces", "A", false, "analyze all namespaces, also with --namespace")
	fs.StringVarP(&f.output, "output", "o", outputText, "output format: text, json, yaml or sarif")
	completeWith(cmd, "output", outputText, outputJSON, outputYAML, outputSARIF)
	fs.StringVar(&f.threshold, "failure-threshold", "warning", "the `severity` from which a finding makes the exit code 1: error, warning or info")
	completeWith(cmd, "failure-threshold", "error", "warning", "info")
	fs.StringArrayVarP(&f.suppress, "suppress", "S", nil, "leave findings out: `CODE=KIND NAME.NAMESPACE`, * stands for any text; may be repeated")
	fs.BoolVarP(&f.list, "list-analyzers", "L", false, "list the checks and their codes")
	fs.BoolVarP(&f.watch, "watch", "w", false, "go on, and print again when files change")
	fs.BoolVar(&f.fix, "fix", false, "write what settles a finding into its file where that is certain; comments and the rest of the file stay")
	fs.StringVar(&f.explain, "explain", "", "print the page that explains a `code`")
	completeWith(cmd, "explain", check.Paged()...)
	fs.IntVar(&f.adminPort, "proxy-admin-port", adminPort, "`port` of the admin interface of the instance to ask, before --port-offset")
	fs.IntVar(&f.portOffset, "port-offset", 0, "the --port-offset `number` of the instance to ask")
	colorFlag(cmd, &f.color)
	cmd.RunE = run(func(ctx context.Context, paths []string) error {
		return p.analyze(ctx, paths, f, fs.Changed("namespace"))
	})
	return cmd
}

func (p *program) analyze(ctx context.Context, paths []string, f analyzeFlags, namespaced bool) error {
	opts, err := f.input.options()
	if err != nil {
		return err
	}
	filter, err := f.filter(namespaced)
	if err != nil {
		return err
	}
	printer, err := newReport(p.stdout, f.output, f.color)
	if err != nil {
		return err
	}
	switch {
	case f.list:
		return p.listAnalyzers()
	case f.explain != "":
		return p.explainCode(strings.ToUpper(f.explain))
	case f.fix && (len(paths) == 0 || f.watch || slices.Contains(paths, "-")):
		return usagef("--fix needs files, and is for one time")
	case len(paths) == 0 && f.watch:
		return usagef("--watch needs files: the log of a running instance says what changes")
	case len(paths) == 0:
		list, err := f.ask(ctx)
		if err != nil {
			return err
		}
		return p.report(printer, filter, list, "the running instance")
	case f.watch && slices.Contains(paths, "-"):
		return usagef("--watch: standard input cannot be watched")
	case f.watch:
		return p.watch(ctx, paths, f, opts, printer, filter)
	}
	load := func() *pipeline.Result {
		return pipeline.NewBuilder(opts).Build(source.Load(paths, p.stdin, f.input.parse()))
	}
	res := load()
	if f.fix {
		if err := p.fix(filter.apply(res.Diags)); err != nil {
			return err
		}
		res = load()
	}
	return p.report(printer, filter, res.Diags, fmt.Sprintf("%d objects", res.Set.Len()))
}

// report prints findings and says whether they make the command fail.
func (p *program) report(printer *printer, filter *findingFilter, list diag.List, of string) error {
	list = filter.apply(list)
	if err := printer.print(list); err != nil {
		return err
	}
	if printer.format == outputText {
		fmt.Fprintf(p.stderr, "%s: %s\n", of, list.Summary())
	}
	if filter.fails(list) {
		return errFindings
	}
	return nil
}

func (p *program) listAnalyzers() error {
	for _, c := range check.Suite() {
		if _, err := fmt.Fprintf(p.stdout, "%-8s  %-26s  %s\n", c.Code, c.Name, c.Doc); err != nil {
			return err
		}
	}
	return nil
}
