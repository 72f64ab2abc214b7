package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/pipeline"
	"github.com/crossgate/crossgate/internal/source"
)

// watch prints the findings, and again after each change until ctx ends: as text
// those that are new and those that are gone, in other formats all of them. The
// exit code is that of the last state.
func (p *program) watch(ctx context.Context, paths []string, f analyzeFlags, opts pipeline.Options, printer *printer, filter *findingFilter) error {
	src := source.NewFiles(source.Options{Paths: paths, Stdin: p.stdin, Parse: f.input.parse()})
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var failed error
	var last diag.List
	first := true
	err := src.Run(ctx, func(u *source.Update) {
		// Each state is judged as it stands: a last good version is no excuse.
		res := pipeline.NewBuilder(opts).Build(u)
		list := filter.apply(res.Diags)
		shown, gone := list, diag.List(nil)
		if printer.format == outputText && !first {
			shown, gone = without(list, last), without(last, list)
			if len(shown)+len(gone) == 0 {
				return
			}
		}
		if failed = p.showState(printer, shown, gone); failed != nil {
			stop()
			return
		}
		if printer.format == outputText {
			fmt.Fprintf(p.stderr, "%d objects: %s; waiting for changes\n", res.Set.Len(), list.Summary())
		}
		first, last = false, list
	})
	if err := errors.Join(failed, err); err != nil {
		return err
	}
	if filter.fails(last) {
		return errFindings
	}
	return nil
}

func (p *program) showState(printer *printer, shown, gone diag.List) error {
	for _, d := range gone {
		if _, err := fmt.Fprintf(p.stdout, "gone: %s\n", d); err != nil {
			return err
		}
	}
	return printer.print(shown)
}

// without returns the findings of a that are not in b, wherever they stand in
// their files.
func without(a, b diag.List) diag.List {
	key := func(d diag.Diagnostic) string {
		d.Pos.Line, d.Pos.Col = 0, 0
		return d.Object + " " + d.String()
	}
	known := make(map[string]bool)
	for _, d := range b {
		known[key(d)] = true
	}
	return slices.DeleteFunc(slices.Clone(a), func(d diag.Diagnostic) bool { return known[key(d)] })
}
