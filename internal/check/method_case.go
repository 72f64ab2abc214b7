package check

import (
	"fmt"
	"strings"

	"github.com/crossgate/crossgate/internal/diag"
)

// methodCase finds methods in lower case. In allowMethods they are refused as the
// object is read, by Istio too.
func methodCase() *Check {
	return policyCheck("method-case", CodeMethodCase,
		"A route with a policy is for a method in lower case. Methods are compared with their case, and browsers send GET, POST, PUT, DELETE and HEAD in "+
			"capitals, whatever a script writes (Fetch, section 2.2.1). Write the method in capitals.",
		func(p *Pass, c *corsPolicy) {
			for i, m := range c.route.Match {
				for kind, text := range map[string]string{"exact": m.GetMethod().GetExact(), "prefix": m.GetMethod().GetPrefix()} {
					if text != strings.ToUpper(text) {
						p.Report(c.object, fmt.Sprintf("spec.http[%d].match[%d].method.%s", c.number, i, kind), diag.Warning,
							"%q is not %q: no browser sends it", text, strings.ToUpper(text))
						p.last().Fix = &diag.Fix{Old: text, New: strings.ToUpper(text)}
					}
				}
			}
		})
}
