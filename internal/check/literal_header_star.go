package check

import "github.com/crossgate/crossgate/internal/diag"

// literalHeaderStar finds * among other names with credentials.
func literalHeaderStar() *Check {
	return policyCheck("literal-header-star", CodeLiteralHeaderStar,
		"A list of methods or request headers has * among other names, and credentials are allowed. Envoy sends the list as it is, and to a browser * is "+
			"then a name like any other. Write * alone, for which Envoy answers with the names that were asked for, or leave it out.",
		func(p *Pass, c *corsPolicy) {
			look := func(path string, list []string) {
				for _, l := range items(path, list, isStar) {
					if c.credentials() && len(list) > 1 {
						p.Report(c.object, l.path, diag.Warning, "for requests with credentials * among other names allows nothing more")
					}
				}
			}
			look(c.path+".allowMethods", c.AllowMethods)
			look(c.path+".allowHeaders", c.AllowHeaders)
		})
}
