package cli

import (
	"context"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/crossgate/crossgate/internal/diag"
)

// logFlags say how a running gateway logs.
type logFlags struct {
	format string
	level  slog.Level
}

func (f *logFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.format, "log-format", outputText, "format of the log on standard error: text or json")
	cmd.Flags().TextVar(&f.level, "log-level", slog.LevelInfo, "least `level` that is logged: debug, info, warn or error")
	completeWith(cmd, "log-format", outputText, outputJSON)
	completeWith(cmd, "log-level", "debug", "info", "warn", "error")
}

func (f *logFlags) levels(w io.Writer) (*logLevels, error) {
	switch f.format {
	case outputText:
		return newLogLevels(slog.NewTextHandler(w, nil), f.level), nil
	case outputJSON:
		return newLogLevels(slog.NewJSONHandler(w, nil), f.level), nil
	}
	return nil, usagef("--log-format %s: want text or json", f.format)
}

// diagnosticLog tells a running gateway's findings as they come: what was said
// at the last change already is not said again.
type diagnosticLog struct {
	log   *slog.Logger
	lines *printer // nil: through log
	said  map[string]bool
}

// newDiagnosticLog prints findings one a line in the text format, where editors
// find positions, and as records in the JSON format.
func (f *logFlags) newDiagnosticLog(log *slog.Logger, w io.Writer) (*diagnosticLog, error) {
	d := &diagnosticLog{log: log}
	if f.format == outputText {
		lines, err := newPrinter(w, outputText, colorAuto)
		if err != nil {
			return nil, err
		}
		d.lines = lines
	}
	return d, nil
}

func (d *diagnosticLog) tell(list diag.List) {
	said := make(map[string]bool, len(list))
	var fresh diag.List
	for _, one := range list {
		text := one.String()
		if !d.said[text] && !said[text] && d.log.Enabled(context.Background(), logLevel(one.Severity)) {
			fresh = append(fresh, one)
		}
		said[text] = true
	}
	d.said = said
	if d.lines != nil {
		d.lines.print(fresh) //nolint:errcheck // there is no other place to complain to
		return
	}
	for _, one := range fresh {
		d.log.LogAttrs(context.Background(), logLevel(one.Severity), one.Message,
			slog.String("position", one.Pos.String()), slog.String("code", one.Code),
			slog.String("object", one.Object), slog.String("path", one.Path))
	}
}

func logLevel(s diag.Severity) slog.Level {
	switch s {
	case diag.Error:
		return slog.LevelError
	case diag.Warning:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}
