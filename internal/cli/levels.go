package cli

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"strings"

	"github.com/crossgate/crossgate/internal/console"
)

// The loggers of a running gateway, by what they tell of.
const (
	logAdmin  = "admin"  // the console
	logConfig = "config" // the input, and that it was applied
	logEngine = "engine" // connections, requests, services
)

// logLevels are the loggers of a gateway with the levels that /logging changes.
type logLevels struct {
	out    slog.Handler // without a level of its own
	levels map[string]*slog.LevelVar
}

func newLogLevels(out slog.Handler, level slog.Level) *logLevels {
	l := &logLevels{out: out, levels: map[string]*slog.LevelVar{}}
	for _, name := range []string{logAdmin, logConfig, logEngine} {
		l.levels[name] = new(slog.LevelVar)
		l.levels[name].Set(level)
	}
	return l
}

// named returns one of the loggers.
func (l *logLevels) named(name string) *slog.Logger {
	return slog.New(leveled{l.out, l.levels[name]})
}

// leveled is a handler with a level that changes.
type leveled struct {
	slog.Handler
	level *slog.LevelVar
}

// Enabled implements slog.Handler.
func (h leveled) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level.Level() }

// WithAttrs implements slog.Handler.
func (h leveled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return leveled{h.Handler.WithAttrs(attrs), h.level}
}

// WithGroup implements slog.Handler.
func (h leveled) WithGroup(name string) slog.Handler {
	return leveled{h.Handler.WithGroup(name), h.level}
}

// envoyLevels are Envoy's levels, the most talkative first.
var envoyLevels = []struct {
	name  string
	level slog.Level
}{
	{"trace", slog.LevelDebug - 4},
	{"debug", slog.LevelDebug},
	{"info", slog.LevelInfo},
	{"warning", slog.LevelWarn},
	{"error", slog.LevelError},
	{"critical", slog.LevelError + 4},
	{"off", math.MaxInt32},
}

// List implements console.Levels.
func (l *logLevels) List() []console.LoggerLevel {
	var out []console.LoggerLevel
	for name, v := range l.levels {
		out = append(out, console.LoggerLevel{Name: name, Level: envoyLevel(v.Level())})
	}
	slices.SortFunc(out, func(a, b console.LoggerLevel) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// envoyLevel is the first of Envoy's levels that lets no more through.
func envoyLevel(level slog.Level) string {
	for _, e := range envoyLevels {
		if level <= e.level {
			return e.name
		}
	}
	return "off"
}

// Set implements console.Levels.
func (l *logLevels) Set(name, level string) error {
	if name != "" && l.levels[name] == nil {
		return console.ErrLoggerName
	}
	if level == "warn" {
		level = "warning" // as --log-level has it
	}
	for _, e := range envoyLevels {
		if e.name != level {
			continue
		}
		for n, v := range l.levels {
			if name == "" || name == n {
				v.Set(e.level)
			}
		}
		return nil
	}
	return console.ErrLoggerLevel
}
