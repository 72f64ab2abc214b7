package check

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	networking "istio.io/api/networking/v1alpha3"
)

// rule is a route of a VirtualService, whatever its protocol.
type rule struct {
	path    string // spec.http[0]
	matches []proto.Message
}

// ruleTables returns the routes of a VirtualService, a table for each protocol.
func ruleTables(vs *networking.VirtualService) [][]rule {
	return [][]rule{
		ruleTable("http", vs.Http, (*networking.HTTPRoute).GetMatch),
		ruleTable("tcp", vs.Tcp, (*networking.TCPRoute).GetMatch),
		ruleTable("tls", vs.Tls, (*networking.TLSRoute).GetMatch),
	}
}

func ruleTable[R any, M proto.Message](name string, routes []R, matches func(R) []M) []rule {
	out := make([]rule, len(routes))
	for i, r := range routes {
		out[i].path = fmt.Sprintf("spec.%s[%d]", name, i)
		for _, m := range matches(r) {
			out[i].matches = append(out[i].matches, m)
		}
	}
	return out
}

// matchKey is equal for matches that take the same requests as far as their text
// tells: their names do not count.
func matchKey(m proto.Message) string {
	if h, ok := m.(*networking.HTTPMatchRequest); ok && h.GetName() != "" {
		h = proto.Clone(h).(*networking.HTTPMatchRequest)
		h.Name = ""
		m = h
	}
	// Marshalling fails on text that is not UTF-8 only, which no input has.
	b, _ := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	return string(b)
}

// matchIndex is a match of a rule, by its numbers.
type matchIndex struct{ rule, match int }

// duplicates returns, for each match that a rule before has too, where.
func duplicates(rules []rule) map[matchIndex]matchIndex {
	out := make(map[matchIndex]matchIndex)
	if len(rules) < 2 && (len(rules) == 0 || len(rules[0].matches) < 2) {
		return out
	}
	first := make(map[string]matchIndex)
	for i, r := range rules {
		if len(r.matches) == 0 {
			break // Nothing after it counts: that is a finding of its own.
		}
		for j, m := range r.matches {
			key := matchKey(m)
			if f, ok := first[key]; ok {
				out[matchIndex{i, j}] = f
			} else {
				first[key] = matchIndex{i, j}
			}
		}
	}
	return out
}
