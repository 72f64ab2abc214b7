package check

import (
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	security "istio.io/api/security/v1beta1"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// refusedPreflight finds authorization that preflights cannot pass.
func refusedPreflight() *Check {
	return &Check{
		Name: "refused-preflight",
		Code: CodeRefusedPreflight,
		Doc: "An AuthorizationPolicy of a namespace with CORS policies, or of a gateway, refuses preflights: it asks for a JWT, an identity, a header or a method, and a preflight " +
			"is an OPTIONS request without any of them (Fetch, section 4.8). Browsers then stop before the request. Istio asks authorization before the CORS filter. Allow the " +
			"method OPTIONS without more.",
		Run: func(p *Pass) {
			places := make(map[string]bool)
			for _, c := range p.corsPolicies() {
				places[c.object.Namespace], places[resource.RootNamespace] = true, true
				for _, g := range gatewaysOf(c.object.Spec.(*networking.VirtualService)) {
					places[gatewayKey(g, c.object.Namespace).Namespace] = true
				}
			}
			for _, r := range p.Set.Kind(resource.KindAuthorizationPolicy) {
				policy, ok := r.Spec.(*security.AuthorizationPolicy)
				if !ok || !places[r.Namespace] {
					continue
				}
				if path, why := refuses(policy); why != "" {
					p.Report(r, path, diag.Warning, "preflights are refused: %s", why)
				}
			}
		},
	}
}

// refuses says where and why a policy keeps preflights out, as far as it can be told
// from the policy alone.
func refuses(a *security.AuthorizationPolicy) (path, why string) {
	switch a.Action {
	case security.AuthorizationPolicy_ALLOW:
		reason := "no rule allows anything"
		for i, rule := range a.Rules {
			need := needs(rule)
			if need == "" {
				return "", ""
			}
			if i == 0 {
				reason = "each rule asks for what they do not have, as " + need
			}
		}
		return "spec", reason
	case security.AuthorizationPolicy_DENY:
		for i, rule := range a.Rules {
			if why := denies(rule); why != "" {
				return fmt.Sprintf("spec.rules[%d]", i), why
			}
		}
	}
	return "", ""
}

// needs is what a rule asks for and preflights do not have.
func needs(r *security.Rule) string {
	if from := r.GetFrom(); len(from) > 0 && !slices.ContainsFunc(from, func(f *security.Rule_From) bool { return len(f.GetSource().GetRequestPrincipals()) == 0 }) {
		return "a JWT (requestPrincipals)"
	}
	if to := r.GetTo(); len(to) > 0 && !slices.ContainsFunc(to, func(t *security.Rule_To) bool { return hasOptions(t.GetOperation()) }) {
		return "another method than OPTIONS"
	}
	for _, c := range r.GetWhen() {
		name, header := strings.CutPrefix(c.Key, "request.headers[")
		name = strings.ToLower(strings.TrimSuffix(name, "]"))
		if len(c.Values) > 0 && (strings.HasPrefix(c.Key, "request.auth.") || header && !carried(name)) {
			return c.Key
		}
	}
	return ""
}

func hasOptions(o *security.Operation) bool {
	if slices.Contains(o.GetNotMethods(), "OPTIONS") {
		return false
	}
	return len(o.GetMethods()) == 0 || slices.ContainsFunc(o.GetMethods(), func(m string) bool { return m == "OPTIONS" || m == "*" || m == "O*" })
}

// denies says why a rule of a policy that denies is met by preflights.
func denies(r *security.Rule) string {
	for _, t := range r.GetTo() {
		if slices.Contains(t.GetOperation().GetMethods(), "OPTIONS") && len(r.From) == 0 && len(r.When) == 0 {
			return "the method OPTIONS is denied"
		}
	}
	if to := r.GetTo(); len(to) > 0 && !slices.ContainsFunc(to, func(t *security.Rule_To) bool { return hasOptions(t.GetOperation()) }) {
		return ""
	}
	for _, f := range r.GetFrom() {
		if slices.Contains(f.GetSource().GetNotRequestPrincipals(), "*") && len(r.When) == 0 {
			return "what has no JWT is denied (notRequestPrincipals)"
		}
	}
	return ""
}
