package check

import (
	"slices"
	"strings"

	"github.com/crossgate/crossgate/internal/diag"
)

// authorizationStar finds lists that mean to allow Authorization with *.
func authorizationStar() *Check {
	return policyCheck("authorization-star", CodeAuthorizationStar,
		"allowHeaders has * among other names and not authorization. By the Fetch standard * does not stand for Authorization (section 4.10); today's "+
			"browsers let it pass, which may change. Add authorization.",
		func(p *Pass, c *corsPolicy) {
			named := slices.ContainsFunc(c.AllowHeaders, func(s string) bool { return strings.EqualFold(s, "authorization") })
			for _, l := range items(c.path+".allowHeaders", c.AllowHeaders, isStar) {
				if !c.credentials() && len(c.AllowHeaders) > 1 && !named {
					p.Report(c.object, l.path, diag.Info, "by the standard * does not stand for authorization; add it if pages send it")
				}
			}
		})
}
