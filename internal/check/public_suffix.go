package check

// publicSuffix finds patterns for all names below a public suffix.
func publicSuffix() *Check {
	return matcherCheck("public-suffix", CodePublicSuffix,
		"A pattern allows all names below a suffix where anybody can get one: com, co.uk, github.io (publicsuffix.org). Name the hosts that are yours.",
		func(c *corsPolicy, m *matcher) *opening {
			if m.everyone || len(m.tenants) == 0 {
				return nil
			}
			return &opening{
				severity:  c.openness(),
				message:   "anybody can get a name below " + m.suffix + ": " + c.letIn(m.tenants),
				witnesses: m.tenants,
			}
		})
}
