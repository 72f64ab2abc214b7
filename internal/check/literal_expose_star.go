package check

import "github.com/crossgate/crossgate/internal/diag"

// literalExposeStar finds exposeHeaders: * with credentials.
func literalExposeStar() *Check {
	return policyCheck("literal-expose-star", CodeLiteralExposeStar,
		"exposeHeaders has * and credentials are allowed. To a browser * is then the name of a header, which nobody has, and exposes nothing (Fetch, "+
			"section 4.10). Name the headers.",
		func(p *Pass, c *corsPolicy) {
			for _, l := range items(c.path+".exposeHeaders", c.ExposeHeaders, isStar) {
				if c.credentials() {
					p.Report(c.object, l.path, diag.Warning, "for requests with credentials * exposes nothing; name the headers")
				}
			}
		})
}
