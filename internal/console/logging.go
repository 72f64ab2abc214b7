package console

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Levels are the loggers of the program, whose levels can be changed while it
// runs.
type Levels interface {
	// List returns the names and their levels, sorted by name.
	List() []LoggerLevel
	// Set changes the level of a logger, or of all with the name "". It fails on
	// what it does not know, with ErrLoggerName or ErrLoggerLevel.
	Set(name, level string) error
}

// LoggerLevel is a logger with its level, in Envoy's words: trace, debug, info,
// warning, error, critical or off.
type LoggerLevel struct{ Name, Level string }

// What Levels.Set does not know, in Envoy's words.
var (
	ErrLoggerName  = errors.New("unknown logger name")
	ErrLoggerLevel = errors.New("unknown logger level")
)

const loggingUsage = "\nusage: /logging?<name>=<level> (change single level)\n" +
	"usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)\n" +
	"usage: /logging?level=<level> (change all levels)\n" +
	"levels: trace debug info warning error critical off\n"

// logging lists the loggers; a POST changes levels before.
func (c *console) logging(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		if err := c.setLevels(r); err != nil {
			writeText(w, http.StatusBadRequest, fmt.Sprintf("error: %v\n%s", err, loggingUsage))
			return
		}
	}
	var b strings.Builder
	b.WriteString("active loggers:\n")
	for _, l := range c.o.Levels.List() {
		fmt.Fprintf(&b, "  %s: %s\n", l.Name, l.Level)
	}
	writeText(w, http.StatusOK, b.String())
}

func (c *console) setLevels(r *http.Request) error {
	q := r.URL.Query()
	if len(q) == 0 {
		return nil
	}
	if len(q) > 1 {
		return errors.New("invalid number of parameters")
	}
	for name := range q {
		value := q.Get(name)
		switch name {
		case "level":
			return c.o.Levels.Set("", value)
		case "paths":
			return c.setPaths(value)
		}
		return c.o.Levels.Set(name, value)
	}
	return nil
}

func (c *console) setPaths(list string) error {
	for one := range strings.SplitSeq(list, ",") {
		name, level, ok := strings.Cut(one, ":")
		if !ok || name == "" {
			return ErrLoggerName
		}
		if err := c.o.Levels.Set(name, level); err != nil {
			return err
		}
	}
	return nil
}
