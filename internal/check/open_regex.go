package check

import "github.com/crossgate/crossgate/internal/origin"

// openRegex finds expressions that leave a name open.
func openRegex() *Check {
	return matcherCheck("open-regex", CodeOpenRegex,
		"A regex leaves the name of the host open at its end or its beginning, so that names of others match. End it with the domain, and have a dot "+
			"before the domain where names below it are meant.",
		func(c *corsPolicy, m *matcher) *opening {
			if m.Kind != origin.Regex || m.everyone || len(m.witnesses) == 0 {
				return nil
			}
			fix := m.fix()
			if len(m.dots) > 0 {
				fix = nil // It is that of the dots.
			}
			return &opening{
				severity:  c.openness(),
				message:   "the name of the host is open: " + c.letIn(m.witnesses) + m.advice(),
				witnesses: m.witnesses, fix: fix,
			}
		})
}
