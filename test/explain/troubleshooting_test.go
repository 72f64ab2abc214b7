package explain

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crossgate/crossgate/internal/fetch"
	"github.com/crossgate/crossgate/test/gate"
	"github.com/crossgate/crossgate/test/tool"
)

// TestTroubleshooting runs the explain line of every section of docs/troubleshooting.md on its configuration: the console's
// line is the heading.
func TestTroubleshooting(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(tool.Root(), "docs/troubleshooting.md"))
	if err != nil {
		t.Fatal(err)
	}
	codes := map[fetch.Code]bool{}
	for section := range strings.SplitSeq(string(page), "\n## ") {
		heading, text, _ := strings.Cut(section, "\n")
		config, ok := block(text, "yaml")
		if !ok {
			continue
		}
		command, ok := block(text, "sh")
		if !ok {
			t.Errorf("%s: no command", heading)
			continue
		}
		out := run(t, config, command)
		if !strings.Contains(out, "has been blocked by CORS policy: "+heading+"\n") {
			t.Errorf("%s\n%s\n%s", heading, command, out)
		}
		if strings.Contains(out, "\nBecause\n") {
			codes[codeOf(out)] = true
		} else {
			t.Errorf("%s: no reason\n%s", heading, out)
		}
	}
	for _, c := range fetch.Codes() {
		// The page says once that a cause can be found at the preflight, too.
		plain := fetch.Code(strings.TrimPrefix(string(c), "Preflight"))
		if !codes[c] && !codes[plain] && c != fetch.CorsDisabledScheme { // which no gateway has a part in
			t.Errorf("no section leads to %s", c)
		}
	}
}

// block is the first fenced block of a language.
func block(text, language string) (string, bool) {
	_, rest, ok := strings.Cut(text, "```"+language+"\n")
	if !ok {
		return "", false
	}
	text, _, ok = strings.Cut(rest, "```")
	return text, ok
}

// run runs a line of the page in a folder with its configuration.
func run(t *testing.T, config, command string) string {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "shop.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	line, ok := strings.CutPrefix(command, "crossgate ")
	if !ok {
		t.Fatalf("%s is no line of crossgate", command)
	}
	cmd := exec.Command("sh", "-c", gate.Binary(t)+" "+line)
	cmd.Dir = dir
	out, err := cmd.Output()
	if cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// codeOf is Chrome's code in an explanation.
func codeOf(out string) fetch.Code {
	_, rest, _ := strings.Cut(out, "\n   Chrome   ")
	code, _, _ := strings.Cut(rest, "\n")
	return fetch.Code(code)
}
