package examples

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A document is the runnable part of a Markdown file, in its order.
type document []block

// A block is either a gateway to start or a command with its output.
type block struct {
	line    int      // where it is in the file, from 1
	output  int      // the line behind the command, where its output begins
	serve   []string // the arguments behind "crossgate serve"
	command string   // for a shell
	want    []string // the lines it prints; "..." stands for any number of lines
}

// parse takes the fenced blocks out of a Markdown text.
func parse(text string) (document, error) {
	var doc document
	var fence string
	var cur []string
	start := 0
	for i, line := range strings.Split(text, "\n") {
		tag, isFence := strings.CutPrefix(line, "```")
		switch {
		case !isFence && fence != "":
			cur = append(cur, line)
		case isFence && fence == "":
			fence, cur, start = "```"+tag, nil, i+2
		case isFence:
			switch fence {
			case "```sh":
				doc = append(doc, serveBlocks(cur, start)...)
			case "```console":
				blocks, err := consoleBlocks(cur, start)
				if err != nil {
					return nil, err
				}
				doc = append(doc, blocks...)
			}
			fence = ""
		}
	}
	return doc, nil
}

// serveBlocks finds the gateways that a block of shell starts.
func serveBlocks(lines []string, start int) document {
	var doc document
	for i := 0; i < len(lines); i++ {
		at := start + i
		line := lines[i]
		for strings.HasSuffix(line, `\`) && i+1 < len(lines) {
			i++
			line = strings.TrimSuffix(line, `\`) + lines[i]
		}
		line, _, _ = strings.Cut(line, " #")
		if args := strings.Fields(line); len(args) > 2 && strings.HasSuffix(args[0], "crossgate") && args[1] == "serve" {
			doc = append(doc, block{line: at, serve: args[2:]})
		}
	}
	return doc
}

// consoleBlocks finds the commands of a transcript: lines with "$ " and those
// that continue them, each followed by its output.
func consoleBlocks(lines []string, start int) (document, error) {
	var doc document
	for i := 0; i < len(lines); i++ {
		command, ok := strings.CutPrefix(lines[i], "$ ")
		if !ok {
			if len(doc) == 0 {
				return nil, fmt.Errorf("line %d: output before the first command", start+i)
			}
			last := &doc[len(doc)-1]
			last.want = append(last.want, lines[i])
			continue
		}
		at := start + i
		for strings.HasSuffix(command, `\`) && i+1 < len(lines) {
			i++
			command += "\n" + lines[i]
		}
		doc = append(doc, block{line: at, output: start + i + 1, command: command})
	}
	return doc, nil
}

// matches compares the lines a command printed with those that are wanted.
func matches(want, got []string) bool {
	for i, w := range want {
		if w == "..." {
			for skip := range len(got) - i + 1 {
				if matches(want[i+1:], got[i+skip:]) {
					return true
				}
			}
			return false
		}
		if i >= len(got) || got[i] != w {
			return false
		}
	}
	return len(want) == len(got)
}

// volatile are the header lines that differ from one time to the next. The
// demo backend's answer has a length that depends on port numbers; an answer of
// the gateway itself has none.
var volatile = regexp.MustCompile(`^(date|x-envoy-upstream-service-time): |^content-length: [1-9]`)

// stable removes the lines that differ from one time to the next, and the empty
// lines at the end.
func stable(out string) []string {
	var lines []string
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\r\n")
		if volatile.MatchString(line) {
			continue
		}
		lines = append(lines, line)
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// rewrite returns the Markdown text with other output behind the commands, given
// by the line of the command.
func (doc document) rewrite(text string, output map[int][]string) string {
	lines := strings.Split(text, "\n")
	for _, b := range slices.Backward(doc) {
		if got, ok := output[b.line]; ok {
			lines = slices.Replace(lines, b.output-1, b.output-1+len(b.want), got...)
		}
	}
	return strings.Join(lines, "\n")
}
