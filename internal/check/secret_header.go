package check

import (
	"regexp"
	"strings"

	"github.com/crossgate/crossgate/internal/diag"
)

// secretName are words in the names of headers that hold secrets.
var secretName = regexp.MustCompile(`(?i)^((proxy-)?authorization|set-cookie2?|cookie2?|.*(secret|password|passwd|private-key|api-?key|session|credential|(access|refresh|auth|id|bearer|security)-?token).*)$`)

// secretHeader finds secrets that pages may read.
func secretHeader() *Check {
	return policyCheck("secret-header", CodeSecretHeader,
		"exposeHeaders has a header that holds a secret. Scripts of the allowed pages, and whatever gets into them, can read it; set-cookie is never "+
			"shown to a script, so that the entry has no effect. Leave it out.",
		func(p *Pass, c *corsPolicy) {
			for _, l := range items(c.path+".exposeHeaders", c.ExposeHeaders, secretName.MatchString) {
				severity := c.severity(diag.Warning, diag.Warning, diag.Info)
				switch {
				case strings.HasPrefix(strings.ToLower(l.name), "set-cookie"):
					p.Report(c.object, l.path, severity, "no browser shows %s to a script; the entry has no effect but to show what was wanted", l.name)
				default:
					p.Report(c.object, l.path, severity, "scripts of the allowed pages can read %s", l.name)
				}
			}
		})
}
