package check

// everyone finds patterns that match everything and do not say so.
func everyone() *Check {
	return matcherCheck("everyone", CodeEveryone,
		"An origin of a policy without credentials is a pattern that matches every origin. For a public API write exact: \"*\", which says so; else "+
			"name the origins.",
		func(c *corsPolicy, m *matcher) *opening {
			if !m.everyone || c.credentials() || m.Any() {
				return nil
			}
			return &opening{
				severity:  c.everybody(),
				message:   "matches every origin: " + c.letIn(m.witnesses) + `. If everybody is meant, write exact: "*"`,
				witnesses: m.witnesses,
			}
		})
}
