package check

import "github.com/crossgate/crossgate/internal/origin"

// openPrefix finds prefixes that end inside a host name.
func openPrefix() *Check {
	return matcherCheck("open-prefix", CodeOpenPrefix,
		"A prefix ends inside a host name, so that names of others begin with it too. Only a port can follow a colon: http://localhost: is fine. Write "+
			"the whole origin as exact, or a regex that ends in the domain.",
		func(c *corsPolicy, m *matcher) *opening {
			if m.Kind != origin.Prefix || m.everyone || len(m.witnesses) == 0 {
				return nil
			}
			return &opening{
				severity:  c.openness(),
				message:   "a name can go on after the prefix: " + c.letIn(m.witnesses) + m.advice(),
				witnesses: m.witnesses, fix: m.fix(),
			}
		})
}
