package check

import "github.com/crossgate/crossgate/internal/diag"

// anyHeader finds policies for all headers.
func anyHeader() *Check {
	return policyCheck("any-header", CodeAnyHeader,
		"All request headers are allowed, or all response headers exposed. Name those that are needed.",
		func(p *Pass, c *corsPolicy) {
			severity := c.severity(diag.Warning, diag.Info, diag.Info)
			for _, l := range items(c.path+".allowHeaders", c.AllowHeaders, isStar) {
				if len(c.AllowHeaders) == 1 || !c.credentials() {
					p.Report(c.object, l.path, severity, "all request headers are allowed, Authorization among them; name those that are needed")
				}
			}
			for _, l := range items(c.path+".exposeHeaders", c.ExposeHeaders, isStar) {
				if !c.credentials() {
					p.Report(c.object, l.path, severity, "all response headers are exposed; name those that pages need")
				}
			}
		})
}
