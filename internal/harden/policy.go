package harden

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/crossgate/crossgate/internal/cors"
	"github.com/crossgate/crossgate/internal/origin"

	"github.com/crossgate/crossgate/internal/xds"
)

// policy is a CorsPolicy, read for what its lists mean.
type policy struct {
	proto    *corsv3.CorsPolicy
	patterns []origin.Pattern // in the order of the matchers
	// any: one of the matchers is the exact "*".
	any bool
	// star: one of them matches the text "*" without saying so.
	star bool
	// forward: the user wants preflights that do not match passed on.
	forward bool
	// unsafe says why the policy cannot be enforced; nil if it can.
	unsafe error
}

// effective returns the policy of a route, or nil if it has none that is in force.
// Like Envoy it takes each field from the most specific level that sets it. An
// error means a policy that is in force for some requests only, or that is for one
// cluster among several.
func effective(r *routev3.Route, outer ...map[string]*anypb.Any) (*corsv3.CorsPolicy, error) {
	var found []*corsv3.CorsPolicy
	for _, level := range append([]map[string]*anypb.Any{r.GetTypedPerFilterConfig()}, outer...) {
		p, off, err := unpack(level[xds.CorsFilter])
		if err != nil {
			return nil, err
		}
		if off && len(found) == 0 {
			return nil, nil
		}
		if p != nil {
			found = append(found, p)
		}
	}
	for _, w := range r.GetRoute().GetWeightedClusters().GetClusters() {
		if w.GetTypedPerFilterConfig()[xds.CorsFilter] != nil {
			return nil, errors.New("a CORS policy of one cluster among several is not hardened")
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	switch share(found[0]) {
	case 0:
		return nil, nil
	case 1:
		return merge(found), nil
	}
	return nil, errors.New("a CORS policy that is in force for a share of the requests is not hardened")
}

// unpack reads a level's configuration of the filter, which may be wrapped or
// switched off.
func unpack(a *anypb.Any) (p *corsv3.CorsPolicy, off bool, err error) {
	if a == nil {
		return nil, false, nil
	}
	msg, err := a.UnmarshalNew()
	if err != nil {
		return nil, false, err
	}
	switch m := msg.(type) {
	case *corsv3.CorsPolicy:
		return m, false, nil
	case *routev3.FilterConfig:
		if m.GetDisabled() {
			return nil, true, nil
		}
		return unpack(m.GetConfig())
	}
	return nil, false, nil
}

// share is 1 for a policy that is always in force, 0 for never, else between.
func share(p *corsv3.CorsPolicy) float64 {
	if p.GetFilterEnabled() == nil {
		return 1
	}
	v := p.GetFilterEnabled().GetDefaultValue()
	whole := 100.0
	switch v.GetDenominator() {
	case typev3.FractionalPercent_TEN_THOUSAND:
		whole = 10_000
	case typev3.FractionalPercent_MILLION:
		whole = 1_000_000
	}
	return min(float64(v.GetNumerator())/whole, 1)
}

// merge makes one policy of those of several levels, the most specific first.
func merge(list []*corsv3.CorsPolicy) *corsv3.CorsPolicy {
	out := proto.CloneOf(list[0])
	for _, p := range list[1:] {
		from := p.ProtoReflect()
		for i := range from.Descriptor().Fields().Len() {
			fd := from.Descriptor().Fields().Get(i)
			switch fd.Name() {
			case "filter_enabled", "shadow_enabled": // not inherited
			default:
				if !out.ProtoReflect().Has(fd) && from.Has(fd) {
					out.ProtoReflect().Set(fd, from.Get(fd))
				}
			}
		}
	}
	return out
}

// read compiles a policy and judges it.
func (c *compiled) read(p *corsv3.CorsPolicy, forward bool, s cors.Settings) *policy {
	out := &policy{proto: p, forward: forward}
	for i, m := range p.GetAllowOriginStringMatch() {
		pattern, err := c.pattern(m)
		if err != nil {
			out.unsafe = fmt.Errorf("origin %d: %w", i+1, err)
			return out
		}
		out.patterns = append(out.patterns, pattern)
		out.any = out.any || pattern.Any()
		out.star = out.star || pattern.Star()
	}
	out.star = out.star && !out.any
	for _, text := range []string{p.GetAllowMethods(), p.GetAllowHeaders(), p.GetExposeHeaders(), p.GetMaxAge()} {
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			out.unsafe = fmt.Errorf("control characters in %q", text)
		}
	}
	if p.GetAllowCredentials().GetValue() && s.Has(cors.WideCredentials) {
		out.judgeWidth(c)
	}
	return out
}

// takesNoOrigin reports whether requests without an Origin get past the conditions
// that sort out those of other origins.
func (p *policy) takesNoOrigin() bool {
	return p.any || slices.ContainsFunc(p.patterns, func(o origin.Pattern) bool { return o.Match("") })
}

// judgeWidth refuses credentials for everybody.
func (p *policy) judgeWidth(c *compiled) {
	for _, scheme := range []string{"https", "http"} {
		switch c.covers(scheme, p.patterns) {
		case origin.All:
			p.unsafe = fmt.Errorf("credentials are allowed, and the origins are every %s origin there is: any site could read what its visitors may see. Name the origins, or leave allowCredentials out", scheme)
			return
		case origin.Unknown:
			p.unsafe = errors.New("credentials are allowed, and the expressions for the origins are too large to tell whether they match every origin. Write them shorter")
			return
		}
	}
}

// safelistedMethods are those that browsers need no permission for (Fetch, section
// 2.2.1): what an empty list of methods means.
var safelistedMethods = []string{"GET", "HEAD", "POST"}

// methods are those that the policy allows; all is true for every method.
func (p *policy) methods() (list []string, all bool) {
	list, all = p.list(p.proto.GetAllowMethods())
	if len(list) == 0 {
		return safelistedMethods, all
	}
	return list, all
}

// headers are the request headers that the policy allows.
func (p *policy) headers() (list []string, all bool) {
	return p.list(p.proto.GetAllowHeaders())
}

// list splits a list of a policy. "*" alone is everything: Envoy then answers what
// was asked for. Among others it is everything to a browser too, but with
// credentials it is a name like any other, which nothing has.
func (p *policy) list(text string) (list []string, all bool) {
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.Trim(item, " \t"); item != "" {
			list = append(list, item)
		}
	}
	if !slices.Contains(list, "*") {
		return list, false
	}
	if text == "*" || !p.proto.GetAllowCredentials().GetValue() {
		return nil, true
	}
	return slices.DeleteFunc(list, func(s string) bool { return s == "*" }), false
}
