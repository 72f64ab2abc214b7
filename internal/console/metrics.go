package console

import (
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// prometheus serves the metrics, compressed for those who ask for it. There is one
// format: in OpenMetrics, which a Prometheus asks for too, every counter has to end
// in _total, so that Envoy's would change their names with who reads them.
func (c *console) prometheus(w http.ResponseWriter, r *http.Request) {
	query, fault := parseStats(r.URL.Query())
	if fault != "" {
		writeText(w, http.StatusBadRequest, fault)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	h.Set("Vary", "Accept-Encoding")
	body := &metricsBody{w: w}
	if acceptsGzip(r.Header.Values("Accept-Encoding")) {
		body.zip = gzip.NewWriter(w)
	}
	err := c.o.Stats.WritePrometheus(body, query.Filter)
	if err != nil && !body.began {
		writeText(w, http.StatusInternalServerError, err.Error()+"\n")
		return
	}
	// Any other error means that the client went away.
	body.close()
}

// metricsBody is the body of an answer; its first byte decides that there is one.
type metricsBody struct {
	w     http.ResponseWriter
	zip   *gzip.Writer // nil: as it is
	began bool
}

// Write implements io.Writer.
func (b *metricsBody) Write(p []byte) (int, error) {
	var w io.Writer = b.w
	if b.zip != nil {
		if !b.began {
			b.w.Header().Set("Content-Encoding", "gzip")
		}
		w = b.zip
	}
	b.began = true
	return w.Write(p)
}

func (b *metricsBody) close() {
	if b.zip != nil && b.began {
		b.zip.Close() //nolint:errcheck // the client went away
	}
}

// acceptsGzip reports whether a client takes gzip (RFC 9110 section 12.5.3).
func acceptsGzip(fields []string) bool {
	any := false
	for _, field := range fields {
		for item := range strings.SplitSeq(field, ",") {
			coding, params, _ := strings.Cut(item, ";")
			switch strings.ToLower(strings.TrimSpace(coding)) {
			case "gzip", "x-gzip":
				return weight(params) > 0
			case "*":
				any = weight(params) > 0
			}
		}
	}
	return any
}

// weight is the parameter q of a coding, 1 if there is none and 0 if it is no
// number.
func weight(params string) float64 {
	name, value, ok := strings.Cut(strings.TrimSpace(params), "=")
	if !ok || !strings.EqualFold(name, "q") {
		return 1
	}
	q, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return 0
	}
	return q
}
