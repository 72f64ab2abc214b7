package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
)

// headerOperation finds header operations that work against the policy of their
// route.
func headerOperation() *Check {
	return policyCheck("header-operation", CodeHeaderOperation,
		"A route with a policy changes headers of CORS itself: Access-Control-* or Vary of its answers, or the Origin of its requests. The policy then says "+
			"one thing and the wire another: for origins that are not allowed, what is set here stays. Leave it to the policy.",
		func(p *Pass, c *corsPolicy) {
			path := fmt.Sprintf("spec.http[%d]", c.number)
			p.fighting(c, path+".headers", c.route.Headers)
			for i, d := range c.route.Route {
				p.fighting(c, fmt.Sprintf("%s.route[%d].headers", path, i), d.GetHeaders())
			}
		})
}

func (p *Pass) fighting(c *corsPolicy, path string, h *networking.Headers) {
	response, request := h.GetResponse(), h.GetRequest()
	report := func(path, name, format string) {
		severity := diag.Warning
		if strings.EqualFold(name, "access-control-allow-origin") && strings.HasPrefix(format, "%s is sent") {
			severity = c.severity(diag.Error, diag.Warning, diag.Warning)
		}
		p.Report(c.object, path, severity, format, strings.ToLower(name))
	}
	for verb, values := range map[string]map[string]string{"set": response.GetSet(), "add": response.GetAdd()} {
		for _, name := range slices.Sorted(maps.Keys(values)) {
			switch {
			case accessControl(name):
				report(path+".response."+verb+"."+name, name, "%s is sent to every origin, also to those that the policy does not allow")
			case verb == "set" && strings.EqualFold(name, "vary") && !strings.Contains(strings.ToLower(values[name]), "origin"):
				report(path+".response.set."+name, name, "%s is replaced by one without Origin: caches may give one origin's answer to another")
			}
		}
	}
	for i, name := range response.GetRemove() {
		if accessControl(name) || strings.EqualFold(name, "vary") {
			report(fmt.Sprintf("%s.response.remove[%d]", path, i), name, "%s is removed from what the service says, and the policy may add it again; it is for the policy alone")
		}
	}
	for verb, values := range map[string]map[string]string{"set": request.GetSet(), "add": request.GetAdd()} {
		for _, name := range slices.Sorted(maps.Keys(values)) {
			if strings.EqualFold(name, "origin") {
				report(path+".request."+verb+"."+name, name, "%s is changed: the service sees another origin than the policy did")
			}
		}
	}
	for i, name := range request.GetRemove() {
		if strings.EqualFold(name, "origin") {
			report(fmt.Sprintf("%s.request.remove[%d]", path, i), name, "%s is removed: the service cannot see who asks")
		}
	}
}

func accessControl(name string) bool {
	return strings.HasPrefix(strings.ToLower(name), "access-control-")
}
