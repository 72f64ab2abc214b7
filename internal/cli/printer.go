package cli

import (
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/crossgate/crossgate/internal/diag"
)

// The values of --color.
const (
	colorAuto   = "auto"
	colorAlways = "always"
	colorNever  = "never"
)

func colorFlag(cmd *cobra.Command, color *string) {
	cmd.Flags().StringVar(color, "color", colorAuto, "colors: auto (on terminals, unless NO_COLOR is set), always or never")
	completeWith(cmd, "color", colorAuto, colorAlways, colorNever)
}

// printer prints diagnostics in the form a command was asked for.
type printer struct {
	w     io.Writer
	json  bool
	color bool
}

func newPrinter(w io.Writer, output, color string) (*printer, error) {
	p := &printer{w: w}
	switch output {
	case outputText:
	case outputJSON:
		p.json = true
	default:
		return nil, badOutput(output)
	}
	switch color {
	case colorAuto:
		// https://no-color.org: any value that is not empty.
		p.color = isTerminal(w) && os.Getenv("NO_COLOR") == ""
	case colorAlways:
		p.color = true
	case colorNever:
	default:
		return nil, usagef("--color %s: want %s, %s or %s", color, colorAuto, colorAlways, colorNever)
	}
	return p, nil
}

func (p *printer) print(list diag.List) error {
	if p.json {
		return diag.WriteJSON(p.w, list)
	}
	o := diag.TextOptions{Color: p.color}
	if isTerminal(p.w) {
		o.Excerpt = excerpts()
	}
	return diag.WriteText(p.w, list, o)
}

// excerpts returns a function that finds the line of a position in its file. It
// reads every file once.
func excerpts() func(diag.Pos) (string, bool) {
	files := make(map[string][]string)
	return func(pos diag.Pos) (string, bool) {
		lines, ok := files[pos.File]
		if !ok {
			if data, err := readLimited(pos.File); err == nil {
				lines = strings.Split(string(data), "\n")
			}
			files[pos.File] = lines
		}
		if pos.Line < 1 || pos.Line > len(lines) {
			return "", false
		}
		return strings.TrimSuffix(lines[pos.Line-1], "\r"), true
	}
}

// hasFindings reports whether there is anything to repair.
func hasFindings(list diag.List) bool {
	return list.Count(diag.Error)+list.Count(diag.Warning) > 0
}
