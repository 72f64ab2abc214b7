package check

import (
	"fmt"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/origin"
	"github.com/crossgate/crossgate/internal/resource"
)

// shared is what the checks of one run find out together: the CORS policies, and
// what is known of their patterns.
type shared struct {
	finder   *origin.Finder
	policies []*corsPolicy
	read     bool
	gateways map[*resource.Resource]scopedHosts
}

type patternKey struct {
	kind origin.Kind
	text string
}

// corsPolicy is the policy of a route of a VirtualService.
type corsPolicy struct {
	*networking.CorsPolicy
	object   *resource.Resource
	route    *networking.HTTPRoute
	number   int    // of the route
	path     string // spec.http[0].corsPolicy
	stage    stage
	matchers []matcher
}

// matcher is one of the origins of a policy.
type matcher struct {
	origin.Pattern
	path string // spec.http[0].corsPolicy.allowOrigins[0].regex
	*verdict
}

// stage is what a configuration is for, which decides how bad a finding is.
type stage uint8

const (
	unknownStage stage = iota
	production
	development
)

// corsPolicies returns all policies of the set.
func (p *Pass) corsPolicies() []*corsPolicy {
	s := p.shared
	if s.read {
		return s.policies
	}
	s.read = true
	var err error
	if s.finder, err = origin.NewFinder(); err != nil {
		return nil // The languages are constants, and tests make them.
	}
	stages := p.namespaceStages()
	for _, r := range p.Set.Kind(resource.KindVirtualService) {
		for i, route := range r.Spec.(*networking.VirtualService).Http {
			if route.GetCorsPolicy() == nil {
				continue
			}
			c := &corsPolicy{CorsPolicy: route.CorsPolicy, object: r, route: route, number: i, path: fmt.Sprintf("spec.http[%d].corsPolicy", i)}
			c.stage = stageOf(r.Labels)
			if c.stage == unknownStage {
				c.stage = stages[r.Namespace]
			}
			if c.stage == unknownStage {
				c.stage = stageOfName(r.Namespace)
			}
			c.matchers = readMatchers(c)
			s.policies = append(s.policies, c)
		}
	}
	s.judgeAll()
	return s.policies
}

// readMatchers reads the origins of a policy as translate does: the old list counts
// where there is no new one. What does not compile is an error of its own.
func readMatchers(c *corsPolicy) []matcher {
	var out []matcher
	add := func(kind origin.Kind, text, path string) {
		if pattern, err := origin.Compile(kind, text, false); err == nil {
			out = append(out, matcher{Pattern: pattern, path: path})
		}
	}
	for i, m := range c.AllowOrigins {
		if key, ok := keyOf(m); ok {
			add(key.kind, key.text, fmt.Sprintf("%s.allowOrigins[%d].%s", c.path, i, kindName(key.kind)))
		}
	}
	if c.AllowOrigins == nil {
		for i, text := range c.AllowOrigin { //nolint:staticcheck // Deprecated, and still in use.
			add(origin.Exact, text, fmt.Sprintf("%s.allowOrigin[%d]", c.path, i))
		}
	}
	return out
}

// keyOf is what a matcher says; false for one that says nothing.
func keyOf(m *networking.StringMatch) (patternKey, bool) {
	switch t := m.GetMatchType().(type) {
	case *networking.StringMatch_Exact:
		return patternKey{origin.Exact, t.Exact}, true
	case *networking.StringMatch_Prefix:
		return patternKey{origin.Prefix, t.Prefix}, true
	case *networking.StringMatch_Regex:
		return patternKey{origin.Regex, t.Regex}, true
	}
	return patternKey{}, false
}

// namespaceStages are what the labels of Namespaces say.
func (p *Pass) namespaceStages() map[string]stage {
	out := make(map[string]stage)
	for _, r := range p.Set.Kind("Namespace") {
		out[r.Name] = stageOf(r.Labels)
	}
	return out
}

func stageOf(labels map[string]string) stage {
	for _, key := range []string{"environment", "env"} {
		if s := stageOfName(labels[key]); s != unknownStage {
			return s
		}
	}
	return unknownStage
}

// stageOfName reads a name such as production, shop-prod or dev.
func stageOfName(name string) stage {
	for word := range strings.FieldsFuncSeq(strings.ToLower(name), func(r rune) bool { return r == '-' || r == '.' || r == '_' }) {
		switch word {
		case "production", "prod", "live":
			return production
		case "development", "dev", "local", "sandbox":
			return development
		}
	}
	return unknownStage
}

// severity chooses by what the configuration is for.
func (c *corsPolicy) severity(inProduction, otherwise, inDevelopment diag.Severity) diag.Severity {
	switch c.stage {
	case production:
		return inProduction
	case development:
		return inDevelopment
	}
	return otherwise
}

// openness is the severity of a pattern that lets in too much.
func (c *corsPolicy) openness() diag.Severity {
	if c.credentials() {
		return c.severity(diag.Error, diag.Warning, diag.Info)
	}
	return c.severity(diag.Warning, diag.Warning, diag.Info)
}

// everybody is the severity of what lets every site in.
func (c *corsPolicy) everybody() diag.Severity {
	if c.credentials() {
		return c.severity(diag.Error, diag.Error, diag.Warning)
	}
	return c.severity(diag.Warning, diag.Warning, diag.Info)
}

func (c *corsPolicy) credentials() bool { return c.AllowCredentials.GetValue() }

// letIn says in words what the page of an origin gets.
func (c *corsPolicy) letIn(witnesses []string) string {
	what := "may read the answers"
	if c.credentials() {
		what = "may read the answers, with the visitor's credentials"
	}
	return fmt.Sprintf("a page of %s %s", strings.Join(witnesses, " or "), what)
}

// policyCheck is a check that looks at each policy by itself.
func policyCheck(name, code, doc string, look func(*Pass, *corsPolicy)) *Check {
	return &Check{Name: name, Code: code, Doc: doc, Run: func(p *Pass) {
		for _, c := range p.corsPolicies() {
			look(p, c)
		}
	}}
}

// matcherCheck is a check that looks at each origin of a policy by itself. A finding
// comes with the origins that show it, and with a change where one is certain.
func matcherCheck(name, code, doc string, look func(*corsPolicy, *matcher) *opening) *Check {
	return policyCheck(name, code, doc, func(p *Pass, c *corsPolicy) {
		for i := range c.matchers {
			if o := look(c, &c.matchers[i]); o != nil {
				p.Report(c.object, c.matchers[i].path, o.severity, "%s", o.message)
				p.last().Witnesses, p.last().Fix = o.witnesses, o.fix
			}
		}
	})
}

// opening is what matcherCheck reports.
type opening struct {
	severity  diag.Severity
	message   string
	witnesses []string
	fix       *diag.Fix
}
