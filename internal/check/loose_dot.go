package check

import "strings"

// looseDot finds dots that match any character.
func looseDot() *Check {
	return matcherCheck("loose-dot", CodeLooseDot,
		"A dot of a regex is not escaped and matches any character, so that names of others match. Write \\. for a dot.",
		func(c *corsPolicy, m *matcher) *opening {
			if len(m.dots) == 0 {
				return nil
			}
			fix, advice := m.fix(), m.advice()
			if advice == "" {
				advice = ". Write " + strings.Join([]string{"regex:", m.escaped}, " ")
			}
			return &opening{
				severity:  c.openness(),
				message:   "a dot that is not escaped matches any character: " + c.letIn(m.dots) + advice,
				witnesses: m.dots, fix: fix,
			}
		})
}
