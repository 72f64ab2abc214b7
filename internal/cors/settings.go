package cors

import (
	"fmt"
	"slices"
	"strings"
)

// Level is how much a gateway enforces of a policy.
type Level uint8

// The levels, from the one that refuses least.
const (
	// Unset is no choice: Preflight where one is needed.
	Unset Level = iota
	// Headers refuses nothing: browsers alone enforce the policy, as with Istio.
	Headers
	// Preflight refuses preflights that the policy does not allow. It is the
	// default.
	Preflight
	// Block also refuses requests that other sites' pages send although the
	// policy does not allow their origin.
	Block
)

// levels are the levels by their names.
var levels = []struct {
	name  string
	level Level
}{{"headers", Headers}, {"preflight", Preflight}, {"block", Block}}

// ParseLevel reads the name of a level.
func ParseLevel(s string) (Level, error) {
	for _, l := range levels {
		if l.name == s {
			return l.level, nil
		}
	}
	return Unset, fmt.Errorf("%q is no level: want headers, preflight or block", s)
}

// LevelNames are the names that ParseLevel knows.
func LevelNames() []string {
	var out []string
	for _, l := range levels {
		out = append(out, l.name)
	}
	return out
}

// String returns the name of the level.
func (l Level) String() string {
	for _, k := range levels {
		if k.level == l {
			return k.name
		}
	}
	return "unset"
}

// Rules is a set of the profile's rules.
type Rules uint8

// The rules, each of which can be left out by itself.
const (
	// RefusePreflights: a preflight that the policy does not allow is answered 403.
	RefusePreflights Rules = 1 << iota
	// Vary: every answer of a route with a policy has Vary: Origin.
	Vary
	// StripUpstream: CORS headers of the service do not pass such a route.
	StripUpstream
	// LiteralStar: a pattern that happens to match the text "*" allows what it
	// matches, and not everything.
	LiteralStar
	// WideCredentials: credentials for every origin of a scheme are refused.
	WideCredentials
	// AnnouncedRoute: a preflight takes the route of the request that it
	// announces.
	AnnouncedRoute
	// ErrorHeaders: errors, redirects and direct responses of the gateway carry
	// the headers of CORS.
	ErrorHeaders

	// AllRules are all of them.
	AllRules Rules = 1<<iota - 1
)

var ruleNames = []string{
	"refuse-preflights", "vary", "strip-upstream", "literal-star", "wide-credentials", "announced-route", "error-headers",
}

// RuleNames are the names that ParseRules knows, in the order of docs/profiles.md.
func RuleNames() []string { return slices.Clone(ruleNames) }

// ParseRules reads a list of names of rules, separated by commas.
func ParseRules(s string) (Rules, error) {
	var out Rules
	for name := range strings.SplitSeq(s, ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			continue
		}
		i := slices.Index(ruleNames, name)
		if i < 0 {
			return 0, fmt.Errorf("%q is no rule: want some of %s", name, strings.Join(ruleNames, ", "))
		}
		out |= 1 << i
	}
	return out, nil
}

// Settings say how one policy is enforced.
type Settings struct {
	Level Level
	// Without are the rules that are left out.
	Without Rules
	// ReportOnly is a stricter level that is tried beside the one in force: what
	// it would refuse is served, counted and logged. At most Level, or Unset: none is
	// tried.
	ReportOnly Level
}

// Has reports whether the rules are in force.
func (s Settings) Has(r Rules) bool { return s.Without&r == 0 }
