package check

import (
	"time"

	"github.com/crossgate/crossgate/internal/diag"
)

// chromiumMaxAge is the longest time that Chromium keeps a preflight's answer.
// Firefox keeps it for a day, Safari for ten minutes.
const chromiumMaxAge = 2 * time.Hour

// maxAge finds times that browsers do not keep, and none.
func maxAge() *Check {
	return policyCheck("max-age", CodeMaxAge,
		"maxAge is longer than browsers keep the answer to a preflight (Chromium 2 hours, Firefox 24, Safari 10 minutes), or it is not set: then it is "+
			"kept for 5 seconds, and nearly each request has a preflight.",
		func(p *Pass, c *corsPolicy) {
			switch {
			case c.MaxAge == nil:
				p.Report(c.object, c.path+".maxAge", diag.Info, "not set: browsers ask again after 5 seconds")
			case c.MaxAge.AsDuration() > chromiumMaxAge:
				p.Report(c.object, c.path+".maxAge", diag.Info, "%s is more than Chromium keeps (2h) and Safari (10m)", c.MaxAge.AsDuration())
			}
		})
}
