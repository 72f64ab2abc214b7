package harden

import (
	xcorev3 "github.com/cncf/xds/go/xds/core/v3"
	matcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	matchingv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/matching/v3"
	actionv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/matcher/action/v3"
	headermutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	inputv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/crossgate/crossgate/internal/xds"
)

// filterVary is the filter that adds Vary: Origin. It is the first of its manager,
// so that it sees what all others answer, last of all.
const filterVary = "crossgate.vary"

// varies is an expression for a Vary that says already what would be added: origin,
// or "*" for everything, among other names.
const varies = `(?i)(?:.*[ \t,])?(?:origin|\*)(?:[ \t,].*)?`

// varyFilter adds Origin to Vary on the routes that varyRoute switches it on for.
func varyFilter() (*hcmv3.HttpFilter, error) {
	skip, err := skipAction()
	if err != nil {
		return nil, err
	}
	add, err := xds.Pack(&headermutationv3.HeaderMutation{Mutations: &headermutationv3.Mutations{
		ResponseMutations: []*mutationv3.HeaderMutation{
			setHeader("%RESP(vary)%, Origin", corev3.HeaderValueOption_OVERWRITE_IF_EXISTS),
			setHeader("Origin", corev3.HeaderValueOption_ADD_IF_ABSENT),
		},
	}})
	if err != nil {
		return nil, err
	}
	packed, err := xds.Pack(&matchingv3.ExtensionWithMatcher{
		ExtensionConfig: &corev3.TypedExtensionConfig{Name: "add-vary", TypedConfig: add},
		XdsMatcher:      &matcherv3.Matcher{OnNoMatch: skip},
	})
	if err != nil {
		return nil, err
	}
	return &hcmv3.HttpFilter{Name: filterVary, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: packed}}, nil
}

func setHeader(value string, action corev3.HeaderValueOption_HeaderAppendAction) *mutationv3.HeaderMutation {
	return &mutationv3.HeaderMutation{Action: &mutationv3.HeaderMutation_Append{Append: &corev3.HeaderValueOption{
		Header: &corev3.HeaderValue{Key: "vary", Value: value}, AppendAction: action,
	}}}
}

func skipAction() (*matcherv3.Matcher_OnMatch, error) {
	skip, err := xds.Pack(&actionv3.SkipFilter{})
	if err != nil {
		return nil, err
	}
	return &matcherv3.Matcher_OnMatch{OnMatch: &matcherv3.Matcher_OnMatch_Action{
		Action: &xcorev3.TypedExtensionConfig{Name: "skip", TypedConfig: skip},
	}}, nil
}

// varyRoute is what a route says to the filter: skip where Vary is complete.
func varyRoute() (*anypb.Any, error) {
	skip, err := skipAction()
	if err != nil {
		return nil, err
	}
	input, err := xds.Pack(&inputv3.HttpResponseHeaderMatchInput{HeaderName: "vary"})
	if err != nil {
		return nil, err
	}
	complete := &matcherv3.Matcher_MatcherList_Predicate{MatchType: &matcherv3.Matcher_MatcherList_Predicate_SinglePredicate_{
		SinglePredicate: &matcherv3.Matcher_MatcherList_Predicate_SinglePredicate{
			Input: &xcorev3.TypedExtensionConfig{Name: "vary", TypedConfig: input},
			Matcher: &matcherv3.Matcher_MatcherList_Predicate_SinglePredicate_ValueMatch{ValueMatch: &matcherv3.StringMatcher{
				MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{
					EngineType: &matcherv3.RegexMatcher_GoogleRe2{GoogleRe2: &matcherv3.RegexMatcher_GoogleRE2{}}, Regex: varies,
				}},
			}},
		},
	}}
	return xds.Pack(&matchingv3.ExtensionWithMatcherPerRoute{XdsMatcher: &matcherv3.Matcher{
		MatcherType: &matcherv3.Matcher_MatcherList_{MatcherList: &matcherv3.Matcher_MatcherList{
			Matchers: []*matcherv3.Matcher_MatcherList_FieldMatcher{{Predicate: complete, OnMatch: skip}},
		}},
	}})
}

// filters puts the manager's filters in the profile's order: Vary, then CORS before
// all that could answer, so that its answers carry the headers of CORS too.
func (p *pass) filters(m *hcmv3.HttpConnectionManager, vary bool) *hcmv3.HttpConnectionManager {
	out := proto.CloneOf(m)
	var list []*hcmv3.HttpFilter
	if vary {
		list = append(list, p.vary)
	}
	for _, f := range m.GetHttpFilters() {
		if f.GetName() == xds.CorsFilter {
			list = append(list, f)
		}
	}
	for _, f := range m.GetHttpFilters() {
		if f.GetName() != xds.CorsFilter {
			list = append(list, f)
		}
	}
	out.HttpFilters = list
	return out
}

// hasCORS reports whether the manager has the filter that policies are for.
func hasCORS(m *hcmv3.HttpConnectionManager) bool {
	for _, f := range m.GetHttpFilters() {
		if f.GetName() == xds.CorsFilter {
			return true
		}
	}
	return false
}
