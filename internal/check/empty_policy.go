package check

import "github.com/crossgate/crossgate/internal/diag"

// emptyPolicy finds policies that allow nobody.
func emptyPolicy() *Check {
	return policyCheck("empty-policy", CodeEmptyPolicy,
		"A policy has no origins, so that it allows none: pages of other origins read nothing. Give allowOrigins, or remove the policy.",
		func(p *Pass, c *corsPolicy) {
			if len(c.AllowOrigins)+len(c.AllowOrigin) == 0 { //nolint:staticcheck // Deprecated, and still in use.
				p.Report(c.object, c.path, diag.Warning, "no origin is allowed; give allowOrigins")
			}
		})
}
