package stats

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"google.golang.org/protobuf/proto"
)

// Kind is what sort of number a statistic is.
type Kind uint8

// The kinds, in the order in which Envoy prints them.
const (
	CounterKind Kind = iota
	GaugeKind
	HistogramKind
)

// Sample is an Envoy statistic at one time.
type Sample struct {
	Name string // as in /stats: http.ingress.downstream_rq_2xx
	Kind Kind
	// Used says that it was ever counted, or set.
	Used bool
	// Value is the number of a counter or a gauge, and how many values a
	// histogram has.
	Value     uint64
	Histogram *dto.Histogram // of that kind alone

	metric string
	tags   []Tag
}

func (sc Scope) sample(name string, k Kind, value uint64, used bool) Sample {
	return Sample{Name: sc.path + name, Kind: k, Value: value, Used: used, metric: sc.metric + name, tags: sc.tags}
}

// Filter selects statistics.
type Filter struct {
	UsedOnly bool
	// Match, if set, has to be found in the name; Invert: must not be.
	Match  *regexp.Regexp
	Invert bool
}

// Keep reports whether the filter selects a statistic.
func (f Filter) Keep(name string, used bool) bool {
	return (used || !f.UsedOnly) && (f.Match == nil || f.Match.MatchString(name) != f.Invert)
}

// WritePrometheus writes the metrics that the filter selects in Prometheus' text
// format: Istio's by their names there, Envoy's by those that /stats shows.
func (s *Store) WritePrometheus(w io.Writer, f Filter) error {
	families, err := s.registry.Gather()
	if err != nil {
		return fmt.Errorf("gather metrics: %w", err)
	}
	families = slices.DeleteFunc(families, func(m *dto.MetricFamily) bool { return !f.Keep(m.GetName(), true) })
	for _, m := range append(families, envoyFamilies(s.Samples(), f)...) {
		if _, err := expfmt.MetricFamilyToText(w, m); err != nil {
			return fmt.Errorf("write metrics: %w", err)
		}
	}
	return nil
}

// envoyFamilies puts samples together that Prometheus has one name for.
func envoyFamilies(samples []Sample, f Filter) []*dto.MetricFamily {
	var out []*dto.MetricFamily
	byName := map[string]*dto.MetricFamily{}
	for _, s := range samples {
		if !f.Keep(s.Name, s.Used) {
			continue
		}
		name := "envoy_" + s.metric
		family := byName[name]
		if family == nil {
			family = &dto.MetricFamily{Name: &name, Type: s.Kind.prometheus()}
			byName[name] = family
			out = append(out, family)
		}
		family.Metric = append(family.Metric, s.dto())
	}
	slices.SortFunc(out, func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return out
}

func (k Kind) prometheus() *dto.MetricType {
	switch k {
	case CounterKind:
		return dto.MetricType_COUNTER.Enum()
	case GaugeKind:
		return dto.MetricType_GAUGE.Enum()
	}
	return dto.MetricType_HISTOGRAM.Enum()
}

func (s *Sample) dto() *dto.Metric {
	m := &dto.Metric{Histogram: s.Histogram}
	for _, t := range s.tags {
		m.Label = append(m.Label, &dto.LabelPair{Name: proto.String(t.Name), Value: proto.String(t.Value)})
	}
	switch s.Kind {
	case CounterKind:
		m.Counter = &dto.Counter{Value: proto.Float64(float64(s.Value))}
	case GaugeKind:
		m.Gauge = &dto.Gauge{Value: proto.Float64(float64(s.Value))}
	}
	return m
}
