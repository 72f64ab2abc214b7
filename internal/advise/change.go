package advise

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/fetch"
	"github.com/crossgate/crossgate/internal/resource"
)

// Change is the smallest change of CORS policies that allows a call. It was tried.
type Change struct {
	Edits []Edit `json:"edits"`
	// Safe tells that it lets in nobody else; Warnings say what it does beyond the call.
	Safe     bool     `json:"safe"`
	Warnings []string `json:"warnings,omitempty"`
}

// Edit is a line to write.
type Edit struct {
	// Position is where the field stands that changes, or the object that gets it.
	Position string `json:"position,omitempty"`
	Object   string `json:"object"`
	Field    string `json:"field"`
	// Add is the value to add to a list, or to set.
	Add string `json:"add"`
}

// maxEdits bounds the search: origin, method, headers and credentials of a preflight and of the request.
const maxEdits = 6

// change looks for what would allow a call. Each step takes away what stands in the way first.
func change(in Input, call fetch.Call, p *played) (*Change, error) {
	out := &Change{Safe: true}
	for range maxEdits {
		if p.last.OK() {
			return out, nil
		}
		if len(p.hops) == 0 {
			return nil, nil
		}
		hop := &p.hops[len(p.hops)-1]
		r := in.rule(hop.Route)
		if r == nil {
			return nil, nil
		}
		spec := proto.CloneOf(r.spec)
		edit := p.edit(hop, r, spec.GetHttp()[r.index], out)
		if edit == nil {
			return nil, nil
		}
		out.Edits = append(out.Edits, *edit)
		changed := *r.object
		changed.Spec = spec
		in.Set = with(in.Set, &changed)
		in.Snapshot = in.Rebuild(in.Set)
		var err error
		if p, err = play(in, call); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// with is the set with an object in the place of the one of the same key.
func with(set *resource.Set, changed *resource.Resource) *resource.Set {
	var all []*resource.Resource
	for _, r := range set.All() {
		if r.Key == changed.Key {
			r = changed
		}
		all = append(all, r)
	}
	out, _ := resource.NewSet(all)
	return out
}

// edit makes the change that takes away the obstacle; nil if there is none.
func (p *played) edit(hop *Hop, r *rule, to *networking.HTTPRoute, c *Change) *Edit {
	policy := to.GetCorsPolicy()
	at := func(field string) string {
		return position(r.object.Position(r.path(field)))
	}
	e := &Edit{Object: r.object.Key.String()}
	if policy == nil {
		policy = &networking.CorsPolicy{}
		to.CorsPolicy = policy
	}
	switch obstacle := p.blocked(hop, r.policy()); {
	case r.policy() == nil || obstacle == byOrigin:
		e.Position, e.Field, e.Add = at("corsPolicy.allowOrigins"), r.path("corsPolicy.allowOrigins"), "exact: "+p.call.Page
		policy.AllowOrigins = append(policy.AllowOrigins, &networking.StringMatch{MatchType: &networking.StringMatch_Exact{Exact: p.call.Page}})
		c.judgeOrigin(p.call, policy)
	case obstacle == byMethod:
		e.Position, e.Field, e.Add = at("corsPolicy.allowMethods"), r.path("corsPolicy.allowMethods"), p.method()
		policy.AllowMethods = append(policy.AllowMethods, p.method())
	case obstacle == byHeaders:
		missing := p.missingHeaders(policy)
		if len(missing) == 0 {
			return nil
		}
		e.Position, e.Field, e.Add = at("corsPolicy.allowHeaders"), r.path("corsPolicy.allowHeaders"), strings.Join(missing, ", ")
		policy.AllowHeaders = append(policy.AllowHeaders, missing...)
	case obstacle == byCredentials:
		e.Position, e.Field, e.Add = at("corsPolicy.allowCredentials"), r.path("corsPolicy.allowCredentials"), "true"
		policy.AllowCredentials = wrapperspb.Bool(true)
		c.judgeCredentials(policy)
	default:
		return nil
	}
	return e
}

func (c *Change) warn(format string, args ...any) {
	c.Safe = false
	c.Warnings = append(c.Warnings, fmt.Sprintf(format, args...))
}

// judgeOrigin tells what an origin opens.
func (c *Change) judgeOrigin(call fetch.Call, policy *networking.CorsPolicy) {
	switch {
	case call.Page == "null":
		c.warn(`"null" is the origin of every sandboxed frame, of whatever site: all of them get in`)
	case strings.HasPrefix(call.Page, "http://") && !isLocal(call.Page):
		c.warn("%s is not encrypted: whoever is on the way to that page can put requests of his own into it", call.Page)
	}
}

func isLocal(origin string) bool {
	host := strings.TrimPrefix(origin, "http://")
	host, _, _ = strings.Cut(host, ":")
	return host == "localhost" || host == "127.0.0.1" || strings.HasSuffix(host, ".localhost")
}

// judgeCredentials tells for whom credentials are allowed now.
func (c *Change) judgeCredentials(policy *networking.CorsPolicy) {
	for _, m := range policy.GetAllowOrigins() {
		switch m.GetMatchType().(type) {
		case *networking.StringMatch_Exact:
			if m.GetExact() == "*" {
				c.warn(`allowOrigins has "*": every site could use its visitors' cookies; name the origins first`)
			}
		default:
			c.warn("allowOrigins has a pattern (%v): every origin that it matches could use its visitors' cookies", m)
		}
	}
}
