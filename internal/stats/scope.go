package stats

import "strings"

// Tag is a part of an Envoy statistic's name that Envoy makes a label of.
type Tag struct {
	Name, Value string
}

// Scope is the beginning of the names of Envoy statistics that belong together:
// "http.ingress." or "cluster.up.". The zero value is the beginning of all names.
type Scope struct {
	path   string // as in /stats, with the values of tags
	metric string // as in Prometheus, without them
	tags   []Tag
}

// In returns the scope of a constant part within sc.
func (sc Scope) In(name string) Scope {
	return Scope{sc.path + name + ".", sc.metric + strings.Map(metricRune, name) + "_", sc.tags}
}

// Tagged returns the scope of a part that comes from the configuration and is
// the value of a label. Envoy writes colons in it as underscores; a semicolon at
// its end, by which istiod marks the end of names with dots, is not part of the
// label, as with the tags of Istio's bootstrap.
func (sc Scope) Tagged(label, value string) Scope {
	value = strings.ReplaceAll(value, ":", "_")
	tags := append(sc.tags[:len(sc.tags):len(sc.tags)], Tag{label, strings.TrimSuffix(value, ";")})
	return Scope{sc.path + value + ".", sc.metric, tags}
}

// metricRune is Envoy's rule for names of Prometheus metrics.
func metricRune(r rune) rune {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '_':
		return r
	}
	return '_'
}
