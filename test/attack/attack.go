// Package attack makes the origins that attackers and scanners try on a policy, from
// the rules of origins.json: for an origin that is allowed, those that a lax
// comparison would take for it. Each rule names its root cause and where it was seen.
package attack

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"golang.org/x/net/publicsuffix"
)

//go:embed origins.json
var rules []byte

// Attempt is an origin that has to be kept out.
type Attempt struct {
	Rule   string // its id
	Origin string
}

// Attempts returns the origins of all rules for one that is allowed, a scheme and a
// host without a port.
func Attempts(allowed string) ([]Attempt, error) {
	scheme, host, ok := strings.Cut(allowed, "://")
	if !ok || strings.Contains(host, ":") {
		return nil, fmt.Errorf("%q is not a scheme and a host", allowed)
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return nil, err
	}
	suffix, _ := publicsuffix.PublicSuffix(host)
	last := strings.LastIndexByte(host, '.')
	fill := strings.NewReplacer(
		"{S}", scheme, "{SU}", strings.ToUpper(scheme), "{H}", host, "{HU}", strings.ToUpper(host), "{P}", "",
		"{A}", "evil.com", "{SLD}", domain, "{TLD}", suffix, "{H1}", host[1:],
		"{HDOT1}", strings.Replace(host, ".", "x", 1), "{HDOTLAST}", host[:last]+"a"+host[last+1:], "{HDOTS}", strings.ReplaceAll(domain, ".", "x"),
		"{HIDN}", strings.Replace(host, "e", "é", 1), "{HHOMO}", strings.Replace(host, "a", "а", 1),
		"{RND}", "31337", "{BIG64K}", scheme+"://"+strings.Repeat("a", 64<<10), "{LABELS500}", strings.TrimSuffix(strings.Repeat("a.", 500), "."),
	)
	var file struct {
		Rules []struct {
			ID       string   `json:"id"`
			Generate []string `json:"generate"`
		} `json:"rules"`
	}
	if err := json.Unmarshal(rules, &file); err != nil {
		return nil, err
	}
	var out []Attempt
	for _, r := range file.Rules {
		for _, g := range r.Generate {
			o := fill.Replace(g)
			// Blanks around a value are not part of it (RFC 9110, section 5.5).
			if strings.Trim(o, " \t") != allowed {
				out = append(out, Attempt{r.ID, o})
			}
		}
	}
	return out, nil
}
