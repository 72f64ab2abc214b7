package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
)

// With HTTP/2 there are fewer connections, and several requests at once on each:
// together as many as with wrk.
const (
	http2Connections = 8
	http2Streams     = connections / http2Connections
)

// h2loadCommand is the workload for h2load, which names the host as a user would and
// connects to the contestant.
func h2loadCommand(w workload, c *contestant, seconds int) []string {
	command := []string{
		"h2load", "-t1", "-c" + strconv.Itoa(http2Connections), "-m" + strconv.Itoa(http2Streams), "-D", strconv.Itoa(seconds),
		"--warm-up-time", "0", fmt.Sprintf("--connect-to=127.0.0.1:%d", c.https), "-H", ":method: " + w.method,
	}
	for _, name := range slices.Sorted(maps.Keys(w.headers)) {
		command = append(command, "-H", name+": "+w.headers[name])
	}
	return append(command, "https://"+host+w.path)
}

var (
	h2loadPerSec = regexp.MustCompile(`finished in [\d.]+m?s, ([\d.]+) req/s`)
	h2loadStatus = regexp.MustCompile(`status codes: (\d+) 2xx, (\d+) 3xx, `)
	h2loadFailed = regexp.MustCompile(` (\d+) failed, \d+ errored, \d+ timeout`)
	h2loadALPN   = regexp.MustCompile(`Application protocol: h2\b`)
)

// parseH2load reads what h2load prints. It tells no percentiles of the times.
func parseH2load(text string) (sample, error) {
	var s sample
	perSec, status, failed := h2loadPerSec.FindStringSubmatch(text), h2loadStatus.FindStringSubmatch(text), h2loadFailed.FindStringSubmatch(text)
	if perSec == nil || status == nil || failed == nil || !h2loadALPN.MatchString(text) {
		return s, fmt.Errorf("no result over HTTP/2 in what h2load prints:\n%s", text)
	}
	var err error
	if s.PerSec, err = strconv.ParseFloat(perSec[1], 64); err != nil {
		return s, err
	}
	if s.Requests, err = strconv.Atoi(status[1]); err != nil {
		return s, err
	}
	// Failed are the answers 4xx and 5xx, too, and all that came to no answer.
	for _, field := range []string{failed[1], status[2]} {
		n, err := strconv.Atoi(field)
		if err != nil {
			return s, err
		}
		s.Errors += n
	}
	return s, nil
}
