package engine

import (
	"errors"
	"fmt"
	"strings"

	matcherv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	matchingv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/matching/v3"
	actionv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/matcher/action/v3"
	headermutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	inputv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"

	"github.com/crossgate/crossgate/internal/header"
)

// delegateFilter is an ExtensionWithMatcher (Envoy's match delegate): another filter
// that is skipped for the requests that a matcher says so of.
type delegateFilter struct {
	slot  int
	base  *skipMatcher
	inner filter
}

func (f *delegateFilter) request(s *stream) bool {
	if skip, known := f.matcher(s).skips(s, false); known && skip || s.disabled(f.slot) {
		return false
	}
	return f.inner.request(s)
}

// mayPause implements pauser.
func (f *delegateFilter) mayPause(s *stream) bool {
	p, ok := f.inner.(pauser)
	return ok && p.mayPause(s)
}

func (f *delegateFilter) response(s *stream) {
	if skip, _ := f.matcher(s).skips(s, true); !skip && !s.disabled(f.slot) {
		f.inner.response(s)
	}
}

// matcher is the route's, if it has one.
func (f *delegateFilter) matcher(s *stream) *skipMatcher {
	if s.route != nil {
		if own, _ := s.setting(f.slot).(*skipMatcher); own != nil {
			return own
		}
	}
	return f.base
}

// skipMatcher is a compiled xds.type.matcher.v3.Matcher whose only action is
// SkipFilter.
type skipMatcher struct {
	list    []skipRule
	noMatch outcome
}

// skipRule is one of the matchers of a list.
type skipRule struct {
	when    predicate
	outcome outcome
}

// outcome is what a match leads to: the filter is skipped, or another matcher is
// asked, or neither.
type outcome struct {
	skip bool
	next *skipMatcher
}

// predicate is a condition on headers: all or any of others, or of one header.
type predicate struct {
	kind     predicateKind
	parts    []predicate
	name     string
	response bool
	value    stringMatch
}

type predicateKind uint8

const (
	predicateHeader predicateKind = iota
	predicateAll
	predicateAny
	predicateNot
)

// skips evaluates the matcher. known is false while the answer would depend on the
// response, which is not there yet.
func (m *skipMatcher) skips(s *stream, answered bool) (skip, known bool) {
	for i := range m.list {
		matched, known := m.list[i].when.matches(s, answered)
		if !known {
			return false, false
		}
		if matched {
			return m.list[i].outcome.skips(s, answered)
		}
	}
	return m.noMatch.skips(s, answered)
}

func (o *outcome) skips(s *stream, answered bool) (skip, known bool) {
	if o.next != nil {
		return o.next.skips(s, answered)
	}
	return o.skip, true
}

func (p *predicate) matches(s *stream, answered bool) (matched, known bool) {
	switch p.kind {
	case predicateNot:
		matched, known = p.parts[0].matches(s, answered)
		return !matched, known
	case predicateAll, predicateAny:
		any := p.kind == predicateAny
		for i := range p.parts {
			matched, known = p.parts[i].matches(s, answered)
			if !known || matched == any {
				return matched, known
			}
		}
		return !any, true
	}
	if !p.response {
		return p.header(s, &s.req.Headers), true
	}
	return answered && p.header(s, &s.resp.Headers), answered
}

// header matches the lines of a header as one value. A missing header matches
// nothing.
func (p *predicate) header(s *stream, h *header.List) bool {
	if p.name[0] == ':' && !p.response {
		return p.value.match(s.pseudoHeader(p.name))
	}
	i := h.Index(p.name)
	if i < 0 {
		return false
	}
	value, joined := h.Fields[i].Value, false
	for _, f := range h.Fields[i+1:] {
		if string(f.Name) == p.name {
			if !joined {
				value, joined = append(s.arena.Start(), value...), true
			}
			value = append(append(value, ','), f.Value...)
		}
	}
	if joined {
		value = s.arena.Done(value)
	}
	return p.value.match(value)
}

func (c *compiler) compileDelegate(f *hcmv3.HttpFilter, cfg *matchingv3.ExtensionWithMatcher) (filter, error) {
	base, err := compileSkipMatcher(cfg.GetXdsMatcher(), 0)
	if err != nil {
		return nil, prefixed("xds_matcher", err)
	}
	inner := &headermutationv3.HeaderMutation{}
	if err := unpackExtension(cfg.GetExtensionConfig(), inner); err != nil {
		return nil, prefixed("extension_config", err)
	}
	if err := unsupported(inner); err != nil {
		return nil, prefixed("extension_config", err)
	}
	steps, err := compileHeaderSteps(inner.GetMutations())
	if err != nil {
		return nil, prefixed("extension_config", err)
	}
	return &delegateFilter{slot: c.slots[f.GetName()], base: base, inner: &mutationFilter{slot: -1, base: steps}}, nil
}

func unpackExtension(x *corev3.TypedExtensionConfig, m proto.Message) error {
	if !x.GetTypedConfig().MessageIs(m) {
		return fmt.Errorf("%s is not supported", x.GetTypedConfig().GetTypeUrl())
	}
	return x.GetTypedConfig().UnmarshalTo(m)
}

// maxMatcherDepth bounds how deep matchers are nested.
const maxMatcherDepth = 16

func compileSkipMatcher(m *matcherv3.Matcher, depth int) (*skipMatcher, error) {
	if depth > maxMatcherDepth {
		return nil, errors.New("nested too deep")
	}
	out := &skipMatcher{}
	switch m.GetMatcherType().(type) {
	case nil, *matcherv3.Matcher_MatcherList_:
	default:
		return nil, fmt.Errorf("%T is not supported", m.GetMatcherType())
	}
	for i, f := range m.GetMatcherList().GetMatchers() {
		var r skipRule
		var err error
		if r.when, err = compilePredicate(f.GetPredicate(), depth); err == nil {
			r.outcome, err = compileOutcome(f.GetOnMatch(), depth)
		}
		if err != nil {
			return nil, prefixed(fmt.Sprintf("matcher_list.matchers[%d]", i), err)
		}
		out.list = append(out.list, r)
	}
	if m.GetOnNoMatch() != nil {
		var err error
		if out.noMatch, err = compileOutcome(m.GetOnNoMatch(), depth); err != nil {
			return nil, prefixed("on_no_match", err)
		}
	}
	return out, nil
}

func compileOutcome(m *matcherv3.Matcher_OnMatch, depth int) (o outcome, err error) {
	if m.GetKeepMatching() {
		return o, errors.New("keep_matching is not supported")
	}
	if next := m.GetMatcher(); next != nil {
		o.next, err = compileSkipMatcher(next, depth+1)
		return o, err
	}
	if !m.GetAction().GetTypedConfig().MessageIs(&actionv3.SkipFilter{}) {
		return o, fmt.Errorf("action %s is not supported", m.GetAction().GetTypedConfig().GetTypeUrl())
	}
	o.skip = true
	return o, nil
}

func compilePredicate(m *matcherv3.Matcher_MatcherList_Predicate, depth int) (p predicate, err error) {
	if depth > maxMatcherDepth {
		return p, errors.New("nested too deep")
	}
	var parts []*matcherv3.Matcher_MatcherList_Predicate
	switch t := m.GetMatchType().(type) {
	case *matcherv3.Matcher_MatcherList_Predicate_SinglePredicate_:
		return compileHeaderPredicate(t.SinglePredicate)
	case *matcherv3.Matcher_MatcherList_Predicate_OrMatcher:
		p.kind, parts = predicateAny, t.OrMatcher.GetPredicate()
	case *matcherv3.Matcher_MatcherList_Predicate_AndMatcher:
		p.kind, parts = predicateAll, t.AndMatcher.GetPredicate()
	case *matcherv3.Matcher_MatcherList_Predicate_NotMatcher:
		p.kind, parts = predicateNot, []*matcherv3.Matcher_MatcherList_Predicate{t.NotMatcher}
	default:
		return p, fmt.Errorf("predicate %T is not supported", t)
	}
	for _, part := range parts {
		built, err := compilePredicate(part, depth+1)
		if err != nil {
			return p, err
		}
		p.parts = append(p.parts, built)
	}
	return p, nil
}

func compileHeaderPredicate(m *matcherv3.Matcher_MatcherList_Predicate_SinglePredicate) (p predicate, err error) {
	input := m.GetInput().GetTypedConfig()
	switch request, response := (&inputv3.HttpRequestHeaderMatchInput{}), (&inputv3.HttpResponseHeaderMatchInput{}); {
	case input.MessageIs(request):
		err = input.UnmarshalTo(request)
		p.name = request.GetHeaderName()
	case input.MessageIs(response):
		err = input.UnmarshalTo(response)
		p.name, p.response = response.GetHeaderName(), true
	default:
		return p, fmt.Errorf("input %s is not supported", input.GetTypeUrl())
	}
	if err != nil {
		return p, err
	}
	if p.name == "" {
		return p, errors.New("input: no header_name")
	}
	p.name = strings.ToLower(p.name)
	if m.GetValueMatch() == nil {
		return p, errors.New("only value_match is supported")
	}
	p.value, err = compileString(stringMatcherOf(m.GetValueMatch()))
	return p, err
}

// stringMatcherOf is the matcher in Envoy's message instead of xDS's.
func stringMatcherOf(m *matcherv3.StringMatcher) *inputv3.StringMatcher {
	out := &inputv3.StringMatcher{IgnoreCase: m.GetIgnoreCase()}
	switch p := m.GetMatchPattern().(type) {
	case *matcherv3.StringMatcher_Exact:
		out.MatchPattern = &inputv3.StringMatcher_Exact{Exact: p.Exact}
	case *matcherv3.StringMatcher_Prefix:
		out.MatchPattern = &inputv3.StringMatcher_Prefix{Prefix: p.Prefix}
	case *matcherv3.StringMatcher_Suffix:
		out.MatchPattern = &inputv3.StringMatcher_Suffix{Suffix: p.Suffix}
	case *matcherv3.StringMatcher_Contains:
		out.MatchPattern = &inputv3.StringMatcher_Contains{Contains: p.Contains}
	case *matcherv3.StringMatcher_SafeRegex:
		out.MatchPattern = &inputv3.StringMatcher_SafeRegex{SafeRegex: &inputv3.RegexMatcher{Regex: p.SafeRegex.GetRegex()}}
	}
	return out
}
