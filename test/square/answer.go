package square

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/crossgate/crossgate/test/rawhttp"
)

// Answer is everything that can be seen of a request.
type Answer struct {
	Response rawhttp.Response
	Upstream []rawhttp.Request
}

// maxBodyShown is the longest body that an answer shows; of others it shows the
// length and a hash.
const maxBodyShown = 2048

// Lines prints the answer with what changes from run to run masked: dates,
// request ids, times, and addresses of this machine. Two answers are equal if
// their lines are.
func (a Answer) Lines() []string {
	r := a.Response
	status := fmt.Sprint(r.Status)
	if r.End != "" {
		status = strings.TrimPrefix(status+" "+r.End, "0 ")
	}
	out := []string{"=> " + status}
	for _, n := range r.Informational {
		out = append(out, fmt.Sprintf("informational: %d", n))
	}
	out = appendMessage(out, r.Fields, r.Body, r.Trailers)
	for _, u := range a.Upstream {
		name := "upstream"
		if u.Upstream != "" {
			name += " " + u.Upstream
		}
		out = append(out, fmt.Sprintf("%s received: %s %s", name, u.Method, u.Target))
		out = appendMessage(out, u.Fields, u.Body, u.Trailers)
	}
	if len(a.Upstream) == 0 {
		out = append(out, "upstream: not called")
	}
	return out
}

func appendMessage(out []string, fields rawhttp.Fields, body []byte, trailers rawhttp.Fields) []string {
	for _, f := range fields {
		out = append(out, strings.TrimSuffix(f.Name+": "+mask(f), " "))
	}
	switch {
	case len(body) > maxBodyShown:
		out = append(out, fmt.Sprintf("body: %d bytes, sha256 %.8x", len(body), sha256.Sum256(body)))
	case len(body) > 0:
		out = append(out, fmt.Sprintf("body: %q", body))
	}
	for _, f := range trailers {
		out = append(out, "trailer "+f.Name+": "+mask(f))
	}
	return out
}

var (
	uuids     = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	addresses = regexp.MustCompile(`\b(\d{1,3}\.){3}\d{1,3}(:\d+)?\b`)
)

// mask returns the value of a header with what is different in every run
// replaced.
func mask(f rawhttp.Field) string {
	switch strings.ToLower(f.Name) {
	case "date":
		return "<date>"
	case "x-envoy-upstream-service-time":
		return "<ms>"
	case "x-envoy-expected-rq-timeout-ms":
		// The first try gets the configured value, a retry what is left of it, which may be just 100 ms less.
		if n, err := strconv.Atoi(f.Value); err == nil && (n%100 != 0 || n > 1000 && n%1000 >= 500) {
			return strconv.Itoa((n/1000 + 1) * 1000)
		}
	case "x-forwarded-for", "x-envoy-external-address":
		return addresses.ReplaceAllString(f.Value, "<ip>")
	}
	return uuids.ReplaceAllString(f.Value, "<uuid>")
}
