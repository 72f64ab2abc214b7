package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// connections is how many wrk keeps busy at once, and how many requests h2load has
// under way.
const connections = 64

// A sample is one measurement of one contestant.
type sample struct {
	Requests int           `json:"requests"`
	PerSec   float64       `json:"requestsPerSecond"`
	CPU      time.Duration `json:"cpuPerRequest"` // nanoseconds
	Busy     float64       `json:"busy"`          // the part of its core that the proxy used
	P50      time.Duration `json:"p50"`           // 0 where the generator does not tell
	P99      time.Duration `json:"p99"`
	Errors   int           `json:"errors"`
}

// measure runs the rounds of a workload. The contestants take turns, so that what
// disturbs the machine for a while disturbs all of them.
func (b *bench) measure(ctx context.Context, w workload) (map[string][]sample, error) {
	script := filepath.Join(b.dir, w.name+".lua")
	if err := os.WriteFile(script, w.lua(), 0o644); err != nil {
		return nil, err
	}
	out := map[string][]sample{}
	for round := range b.rounds {
		fmt.Fprintf(os.Stderr, "%s: round %d of %d\n", w.name, round+1, b.rounds)
		for _, c := range b.contestants {
			s, err := b.sample(ctx, w, c, script)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", w.name, c.name, err)
			}
			out[c.name] = append(out[c.name], s)
		}
	}
	return out, nil
}

func (b *bench) sample(ctx context.Context, w workload, c *contestant, script string) (sample, error) {
	generator, parse := wrkCommand(w, c, b.seconds, script), parseWrk
	if w.http2 {
		generator, parse = h2loadCommand(w, c, b.seconds), parseH2load
	}
	cpu, err := c.proc.cpu()
	if err != nil {
		return sample{}, err
	}
	cmd := exec.CommandContext(ctx, "taskset", append([]string{"-c", strconv.Itoa(loadCore)}, generator...)...)
	ownSession(cmd)
	began := time.Now()
	text, err := output(cmd, generator[0])
	took := time.Since(began)
	if err != nil {
		return sample{}, err
	}
	after, err := c.proc.cpu()
	if err != nil {
		return sample{}, err
	}
	s, err := parse(text)
	if err != nil {
		return sample{}, err
	}
	s.CPU = (after - cpu) / time.Duration(max(s.Requests, 1))
	s.Busy = (after - cpu).Seconds() / took.Seconds()
	return s, nil
}

func wrkCommand(w workload, c *contestant, seconds int, script string) []string {
	url := fmt.Sprintf("http://127.0.0.1:%d%s", c.http, w.path)
	if w.tls {
		url = fmt.Sprintf("https://127.0.0.1:%d%s", c.https, w.path)
	}
	return []string{
		"wrk", "-t1", "-c" + strconv.Itoa(connections), "-d" + strconv.Itoa(seconds) + "s", "--latency", "--timeout", "5s", "-s", script, url,
	}
}

// output runs the load generator with the priority of the contestants.
func output(cmd *exec.Cmd, generator string) (string, error) {
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	raisePriority(cmd.Process.Pid)
	text, readErr := io.ReadAll(pipe)
	if err := cmd.Wait(); err != nil {
		return "", fmt.Errorf("%s: %w", generator, err)
	}
	return string(text), readErr
}

var (
	wrkRequests = regexp.MustCompile(`(\d+) requests in `)
	wrkPerSec   = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	wrkLatency  = regexp.MustCompile(`(?m)^\s+(50|99)%\s+([\d.]+[a-z]+)$`)
	wrkRefused  = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
	wrkSocket   = regexp.MustCompile(`Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
)

// parseWrk reads what wrk prints.
func parseWrk(text string) (sample, error) {
	var s sample
	requests, perSec := wrkRequests.FindStringSubmatch(text), wrkPerSec.FindStringSubmatch(text)
	if requests == nil || perSec == nil {
		return s, fmt.Errorf("no result in what wrk prints:\n%s", text)
	}
	var err error
	if s.Requests, err = strconv.Atoi(requests[1]); err != nil {
		return s, err
	}
	if s.PerSec, err = strconv.ParseFloat(perSec[1], 64); err != nil {
		return s, err
	}
	for _, m := range wrkLatency.FindAllStringSubmatch(text, -1) {
		d, err := time.ParseDuration(m[2])
		if err != nil {
			return s, err
		}
		if m[1] == "50" {
			s.P50 = d
		} else {
			s.P99 = d
		}
	}
	for _, re := range []*regexp.Regexp{wrkRefused, wrkSocket} {
		if m := re.FindStringSubmatch(text); m != nil {
			for _, field := range m[1:] {
				n, err := strconv.Atoi(field)
				if err != nil {
					return s, err
				}
				s.Errors += n
			}
		}
	}
	return s, nil
}
