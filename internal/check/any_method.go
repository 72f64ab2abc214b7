package check

import "github.com/crossgate/crossgate/internal/diag"

// anyMethod finds policies for all methods.
func anyMethod() *Check {
	return policyCheck("any-method", CodeAnyMethod, "All methods are allowed. Name those that the service has.",
		func(p *Pass, c *corsPolicy) {
			for _, l := range items(c.path+".allowMethods", c.AllowMethods, isStar) {
				p.Report(c.object, l.path, c.severity(diag.Warning, diag.Info, diag.Info), "all methods are allowed; name those that the service has")
			}
		})
}
