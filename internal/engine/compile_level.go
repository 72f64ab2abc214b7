package engine

import (
	"cmp"
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matchingv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/matching/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	faultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	headermutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/crossgate/crossgate/internal/http1"

	"github.com/crossgate/crossgate/internal/xds"
)

// level is what one level of a route table (weighted cluster, route, virtual
// host, route configuration) says to all requests below it.
type level struct {
	request, response *mutations
	filters           map[string]*anypb.Any
	legacyCORS        *routev3.CorsPolicy
	mirrors           []*routev3.RouteAction_RequestMirrorPolicy
	id                *levelID // nil: of a level that no other route has
}

// levelID is one of a level that many routes have. It keeps what the level and another
// one above it, or none, say to filters.
type levelID struct{ settings map[*levelID][]any }

// configures tells whether the level says anything to filters.
func (l *level) configures() bool { return len(l.filters) > 0 || l.legacyCORS != nil }

// configured is what the messages of all levels have in common.
type configured interface {
	proto.Message
	GetRequestHeadersToAdd() []*corev3.HeaderValueOption
	GetRequestHeadersToRemove() []string
	GetResponseHeadersToAdd() []*corev3.HeaderValueOption
	GetResponseHeadersToRemove() []string
	GetTypedPerFilterConfig() map[string]*anypb.Any
}

func levelOf(m configured) (level, error) {
	var l level
	var err error
	if l.request, err = compileMutations(m.GetRequestHeadersToAdd(), m.GetRequestHeadersToRemove(), http1.JoinsRequest); err != nil {
		return l, prefixed("request headers", err)
	}
	if l.response, err = compileMutations(m.GetResponseHeadersToAdd(), m.GetResponseHeadersToRemove(), http1.JoinsResponse); err != nil {
		return l, prefixed("response headers", err)
	}
	l.filters = m.GetTypedPerFilterConfig()
	return l, nil
}

// requestMutations lists the mutations of the levels, the most specific first:
// the order in which Envoy applies them.
func requestMutations(levels []level) []*mutations {
	var out []*mutations
	for _, l := range levels {
		if l.request != nil {
			out = append(out, l.request)
		}
	}
	return out
}

func responseMutations(levels []level) []*mutations {
	var out []*mutations
	for _, l := range levels {
		if l.response != nil {
			out = append(out, l.response)
		}
	}
	return out
}

// settings resolves the configuration of the levels for every filter, by slot. A
// key that names no filter of the snapshot has no effect, as in Envoy.
// Routes that say nothing of their own share what the levels above them say: a policy
// may be long.
func (c *compiler) settings(levels []level) ([]any, error) {
	var key [2]*levelID // a virtual host and its route configuration, at the most
	n := 0
	for i := range levels {
		switch l := &levels[i]; {
		case !l.configures():
		case l.id == nil:
			return c.resolve(levels)
		default:
			key[n] = l.id
			n++
		}
	}
	most := cmp.Or(key[0], &c.unset)
	if out := most.settings[key[1]]; out != nil {
		return out, nil
	}
	out, err := c.resolve(levels)
	if err == nil {
		if most.settings == nil {
			most.settings = map[*levelID][]any{}
		}
		most.settings[key[1]] = out
	}
	return out, err
}

func (c *compiler) resolve(levels []level) ([]any, error) {
	out := make([]any, len(c.slots))
	for name, slot := range c.slots {
		v, err := c.setting(name, levels)
		if err != nil {
			return nil, fmt.Errorf("typed_per_filter_config[%s]: %w", name, err)
		}
		out[slot] = v
	}
	return out, nil
}

func (c *compiler) setting(name string, levels []level) (any, error) {
	var policies []*corsv3.CorsPolicy
	var steps *headerSteps
	specific := true // no level so far says anything
	for _, l := range levels {
		msg, err := perFilter(l.filters[name])
		if err != nil {
			return nil, err
		}
		switch m := msg.(type) {
		case nil:
			if name == xds.CorsFilter && l.legacyCORS != nil {
				policies = append(policies, modernCORS(l.legacyCORS))
			}
		case *corsv3.CorsPolicy:
			policies = append(policies, m)
		case *corsv3.Cors:
			// The filter's own message is accepted here and says nothing.
		case *faultv3.HTTPFault:
			return compileFault(m, c.runtime)
		case *matchingv3.ExtensionWithMatcherPerRoute:
			// The most specific level alone counts.
			return compileSkipMatcher(m.GetXdsMatcher(), 0)
		case *headermutationv3.HeaderMutationPerRoute:
			if steps, err = steps.and(m.GetMutations()); err != nil {
				return nil, err
			}
		case *routev3.FilterConfig:
			if !m.GetDisabled() {
				return nil, fmt.Errorf("a FilterConfig without config that does not disable is not supported")
			}
			if specific {
				return disabledFilter{}, nil
			}
			// A more specific level has put the filter on again; what less
			// specific ones say counts.
		default:
			return nil, fmt.Errorf("%T is not supported", m)
		}
		specific = specific && msg == nil
	}
	if steps != nil {
		return steps, nil
	}
	return corsSetting(policies, c.runtime)
}

// disabledFilter is the setting of a filter that has nothing to do on a route.
type disabledFilter struct{}

func corsSetting(policies []*corsv3.CorsPolicy, rt runtime) (any, error) {
	for _, p := range policies {
		for _, text := range []string{p.GetAllowMethods(), p.GetAllowHeaders(), p.GetExposeHeaders(), p.GetMaxAge()} {
			if hasControl(text) {
				return nil, fmt.Errorf("control characters in %q", text)
			}
		}
	}
	p, err := resolveCORS(policies, rt)
	if p == nil || err != nil {
		return nil, err
	}
	return p, nil
}

// perFilter unpacks the configuration of one filter at one level; nil where there
// is none.
func perFilter(a *anypb.Any) (proto.Message, error) {
	if a == nil {
		return nil, nil
	}
	msg, err := a.UnmarshalNew()
	if err != nil {
		return nil, err
	}
	if wrapped, ok := msg.(*routev3.FilterConfig); ok {
		if err := unsupported(wrapped); err != nil {
			return nil, err
		}
		if wrapped.GetConfig() != nil && !wrapped.GetDisabled() {
			return perFilter(wrapped.GetConfig())
		}
		return wrapped, nil
	}
	return msg, unsupported(msg)
}

// modernCORS reads the policy of the field that typed_per_filter_config replaced.
func modernCORS(p *routev3.CorsPolicy) *corsv3.CorsPolicy {
	return &corsv3.CorsPolicy{
		AllowOriginStringMatch:       p.GetAllowOriginStringMatch(),
		AllowMethods:                 p.GetAllowMethods(),
		AllowHeaders:                 p.GetAllowHeaders(),
		ExposeHeaders:                p.GetExposeHeaders(),
		MaxAge:                       p.GetMaxAge(),
		AllowCredentials:             p.GetAllowCredentials(),
		FilterEnabled:                p.GetFilterEnabled(),
		ShadowEnabled:                p.GetShadowEnabled(),
		AllowPrivateNetworkAccess:    p.GetAllowPrivateNetworkAccess(),
		ForwardNotMatchingPreflights: p.GetForwardNotMatchingPreflights(),
	}
}
