package cli

import (
	"bytes"
	"cmp"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/crossgate/crossgate/internal/check"
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
	w      io.Writer
	format string
	color  bool
}

func newPrinter(w io.Writer, output, color string) (*printer, error) {
	if output != outputText && output != outputJSON {
		return nil, badOutput(output)
	}
	return newColored(w, output, color)
}

// newReport is newPrinter with all formats of analyze.
func newReport(w io.Writer, output, color string) (*printer, error) {
	if !slices.Contains([]string{outputText, outputJSON, outputYAML, outputSARIF}, output) {
		return nil, usagef("--output %s: want text, json, yaml or sarif", output)
	}
	return newColored(w, output, color)
}

func newColored(w io.Writer, output, color string) (*printer, error) {
	p := &printer{w: w, format: output}
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
	switch p.format {
	case outputJSON:
		return diag.WriteJSON(p.w, list)
	case outputYAML:
		return writeYAML(p.w, list)
	case outputSARIF:
		return diag.WriteSARIF(p.w, list, diag.SARIFOptions{Version: readBuildInfo().Version, Rules: sarifRules()})
	}
	o := diag.TextOptions{Color: p.color}
	if isTerminal(p.w) {
		o.Excerpt = excerpts()
	}
	return diag.WriteText(p.w, list, o)
}

func writeYAML(w io.Writer, list diag.List) error {
	var b bytes.Buffer
	if err := diag.WriteJSON(&b, list); err != nil {
		return err
	}
	out, err := yaml.JSONToYAML(b.Bytes())
	if err != nil {
		return err
	}
	_, err = w.Write(append([]byte("---\n"), out...))
	return err
}

// sarifRules explains the codes, those of checks at length.
func sarifRules() []diag.Rule {
	help := make(map[string]string)
	for _, c := range check.Suite() {
		help[c.Code] = strings.TrimSpace(help[c.Code] + " " + c.Doc)
	}
	var out []diag.Rule
	for _, c := range check.Codes() {
		out = append(out, diag.Rule{ID: c.ID, Short: c.Doc, Help: cmp.Or(help[c.ID], c.Doc)})
	}
	return out
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
