package check

import "github.com/crossgate/crossgate/internal/diag"

// bothOriginFields finds the old list beside the new one.
func bothOriginFields() *Check {
	return policyCheck("both-origin-fields", CodeBothOriginFields,
		"A policy has allowOrigins and the old allowOrigin. Istio looks at allowOrigins only. Move the origins there.",
		func(p *Pass, c *corsPolicy) {
			if c.AllowOrigins != nil && len(c.AllowOrigin) > 0 { //nolint:staticcheck // that it is deprecated is the finding
				p.Report(c.object, c.path+".allowOrigin", diag.Warning, "has no effect beside allowOrigins; move its origins there as exact")
			}
		})
}
