package check

// everyoneWithCredentials finds credentials for every origin.
func everyoneWithCredentials() *Check {
	return matcherCheck("everyone-with-credentials", CodeEveryoneWithCredentials,
		"A policy allows credentials, and an origin of it matches every origin there is. Envoy answers each with its own name, so that any site "+
			"reads what its visitors may see. Name the origins, or leave allowCredentials out.",
		func(c *corsPolicy, m *matcher) *opening {
			if !m.everyone || !c.credentials() {
				return nil
			}
			return &opening{
				severity:  c.everybody(),
				message:   "matches every origin, and credentials are allowed: " + c.letIn(m.witnesses),
				witnesses: m.witnesses,
			}
		})
}
