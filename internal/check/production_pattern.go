package check

import "github.com/crossgate/crossgate/internal/diag"

// productionPattern finds patterns where exact origins are expected.
func productionPattern() *Check {
	return matcherCheck("production-pattern", CodeProductionPattern,
		"In production an origin is a pattern. It lets in nothing that was not meant; a list of exact origins shows at a glance who is let in.",
		func(c *corsPolicy, m *matcher) *opening {
			quiet := len(m.witnesses)+len(m.dots)+len(m.tenants) == 0 && m.reachable && !m.Star()
			if c.stage != production || m.Kind == 0 || !quiet {
				return nil
			}
			return &opening{severity: diag.Info, message: "a pattern in production; exact origins are easier to review"}
		})
}
