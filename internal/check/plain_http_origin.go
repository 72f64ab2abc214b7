package check

import "github.com/crossgate/crossgate/internal/diag"

// plainHTTPOrigin finds origins without TLS that get credentials.
func plainHTTPOrigin() *Check {
	return matcherCheck("plain-http-origin", CodePlainHTTPOrigin,
		"An origin of http gets credentials. Whoever is on the way between the browser and that host can change its pages and read with them what "+
			"the visitor may see. Serve the page over https; localhost is fine.",
		func(c *corsPolicy, m *matcher) *opening {
			if m.everyone || !c.credentials() || len(m.plain) == 0 {
				return nil
			}
			return &opening{
				severity:  c.severity(diag.Error, diag.Warning, diag.Info),
				message:   "credentials for pages without TLS: whoever is on the way can write a page of " + m.plain[0],
				witnesses: m.plain,
			}
		})
}
