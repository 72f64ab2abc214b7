package check

// nullOrigin finds policies for the origin null.
func nullOrigin() *Check {
	return matcherCheck("null-origin", CodeNullOrigin,
		"The origin null is allowed. It is what a browser sends for every page without an origin: a sandboxed frame of any site, a file, a data: "+
			"URL. Allowing it is allowing everybody. Serve the page from an origin.",
		func(c *corsPolicy, m *matcher) *opening {
			if m.everyone || !m.Match("null") {
				return nil
			}
			return &opening{severity: c.everybody(), message: "allows the origin null: any site can make a sandboxed frame that has it", witnesses: []string{"null"}}
		})
}
