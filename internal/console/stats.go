package console

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	dto "github.com/prometheus/client_model/go"

	"github.com/crossgate/crossgate/internal/stats"
)

// statsQuery is what the parameters of /stats select.
type statsQuery struct {
	stats.Filter
	kinds [3]bool // by stats.Kind
}

// parseStats reads the parameters; fault is the text of an answer with 400, or
// empty.
func parseStats(q url.Values) (out statsQuery, fault string) {
	out.UsedOnly = q.Has("usedonly")
	out.Invert = q.Has("invert_filter")
	if text := q.Get("filter"); text != "" {
		re, err := regexp.Compile(text)
		if err != nil {
			return out, badRegex(err)
		}
		out.Match = re
	}
	switch q.Get("type") {
	case "", "All":
		out.kinds = [3]bool{true, true, true}
	case "Counters":
		out.kinds[stats.CounterKind] = true
	case "Gauges":
		out.kinds[stats.GaugeKind] = true
	case "Histograms":
		out.kinds[stats.HistogramKind] = true
	case "TextReadouts": // there are none
	default:
		return out, "invalid &type= param"
	}
	return out, ""
}

// badRegex is Envoy's text.
func badRegex(err error) string { return "Invalid re2 regex: " + err.Error() }

func (c *console) stats(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	query, fault := parseStats(q)
	if fault != "" {
		writeText(w, http.StatusBadRequest, fault)
		return
	}
	switch q.Get("format") {
	case "prometheus":
		c.prometheus(w, r)
		return
	case "", "text", "json":
	default:
		writeText(w, http.StatusBadRequest, "usage: /stats?format=(json|prometheus|text)\n\n")
		return
	}
	var numbers, histograms []stats.Sample
	for _, s := range c.o.Stats.Samples() {
		switch {
		case !query.kinds[s.Kind] || !query.Keep(s.Name, s.Used):
		case s.Kind == stats.HistogramKind:
			histograms = append(histograms, s)
		default:
			numbers = append(numbers, s)
		}
	}
	if q.Get("format") == "json" {
		writeStatsJSON(w, numbers, histograms)
		return
	}
	var b strings.Builder
	for _, s := range numbers {
		fmt.Fprintf(&b, "%s: %d\n", s.Name, s.Value)
	}
	for _, s := range histograms {
		fmt.Fprintf(&b, "%s: %s\n", s.Name, quantileText(s.Histogram))
	}
	writeText(w, http.StatusOK, b.String())
}

// quantiles are those that Envoy shows, in percent.
var quantiles = [...]float64{0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100}

// quantileText has Envoy's form, P50(INTERVAL,SINCE THE START). There are no
// intervals here.
func quantileText(h *dto.Histogram) string {
	if h.GetSampleCount() == 0 {
		return "No recorded values"
	}
	var parts []string
	for _, q := range quantiles {
		parts = append(parts, fmt.Sprintf("P%v(nan,%v)", q, quantile(h, q/100)))
	}
	return strings.Join(parts, " ")
}

// quantile estimates one from the counts between bounds.
func quantile(h *dto.Histogram, q float64) float64 {
	want := q * float64(h.GetSampleCount())
	low, below := 0.0, 0.0
	for _, b := range h.GetBucket() {
		high, n := b.GetUpperBound(), float64(b.GetCumulativeCount())
		if n > 0 && n >= want {
			if math.IsInf(high, 1) {
				return low
			}
			return math.Round((low+(high-low)*(want-below)/(n-below))*1000) / 1000
		}
		low, below = high, n
	}
	return low
}

type numberJSON struct {
	Name  string `json:"name"`
	Value uint64 `json:"value"`
}

type quantileJSON struct {
	Cumulative *float64 `json:"cumulative"`
	Interval   *float64 `json:"interval"`
}

type histogramJSON struct {
	Name   string         `json:"name"`
	Values []quantileJSON `json:"values"`
}

type histogramsJSON struct {
	Histograms struct {
		Supported []float64       `json:"supported_quantiles"`
		Computed  []histogramJSON `json:"computed_quantiles"`
	} `json:"histograms"`
}

// writeStatsJSON writes one list, as Envoy does: the numbers, then an object with
// all histograms if there are any.
func writeStatsJSON(w http.ResponseWriter, numbers, histograms []stats.Sample) {
	list := make([]any, 0, len(numbers)+1)
	for _, s := range numbers {
		list = append(list, numberJSON{s.Name, s.Value})
	}
	if len(histograms) > 0 {
		var all histogramsJSON
		all.Histograms.Supported = quantiles[:]
		for _, s := range histograms {
			h := histogramJSON{Name: s.Name, Values: make([]quantileJSON, len(quantiles))}
			for i, q := range quantiles {
				if s.Value > 0 {
					v := quantile(s.Histogram, q/100)
					h.Values[i].Cumulative = &v
				}
			}
			all.Histograms.Computed = append(all.Histograms.Computed, h)
		}
		list = append(list, all)
	}
	out, err := json.Marshal(map[string]any{"stats": list})
	writeJSON(w, out, err)
}
