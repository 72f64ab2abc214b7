package engine

import (
	"fmt"
	"strings"

	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	headermutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"

	"github.com/crossgate/crossgate/internal/header"
	"github.com/crossgate/crossgate/internal/http1"
)

// mutationFilter is envoy.filters.http.header_mutation: it changes headers, those of
// the gateway's own answers too, which a route's response_headers_to_add never sees.
type mutationFilter struct {
	slot int // -1: routes have nothing to say
	base headerSteps
}

// headerSteps are changes that are made one after the other, each seeing what those
// before it did.
type headerSteps struct {
	request, response []headerStep
}

// headerStep removes headers or writes one.
type headerStep struct {
	remove  string
	matches *stringMatch // remove_on_match
	write   *mutation
}

func compileHeaderSteps(m *headermutationv3.Mutations) (out headerSteps, err error) {
	if out.request, err = compileSteps(m.GetRequestMutations(), http1.JoinsRequest); err != nil {
		return out, prefixed("request_mutations", err)
	}
	if out.response, err = compileSteps(m.GetResponseMutations(), http1.JoinsResponse); err != nil {
		return out, prefixed("response_mutations", err)
	}
	return out, nil
}

// and adds the steps of a less specific level.
func (h *headerSteps) and(m *headermutationv3.Mutations) (*headerSteps, error) {
	more, err := compileHeaderSteps(m)
	if err != nil || h == nil {
		return &more, err
	}
	return &headerSteps{append(h.request, more.request...), append(h.response, more.response...)}, nil
}

func compileSteps(list []*mutationv3.HeaderMutation, joins func([]byte) bool) (out []headerStep, err error) {
	for i, m := range list {
		var step headerStep
		switch a := m.GetAction().(type) {
		case *mutationv3.HeaderMutation_Remove:
			step.remove = strings.ToLower(a.Remove)
			if step.remove == "" || step.remove[0] == ':' || step.remove == "host" {
				err = fmt.Errorf("header %q may not be removed", a.Remove)
			}
		case *mutationv3.HeaderMutation_Append:
			var c mutation
			c, err = compileMutation(a.Append)
			c.joins = joins(c.name)
			step.write = &c
		case *mutationv3.HeaderMutation_RemoveOnMatch_:
			var sm stringMatch
			sm, err = compileString(a.RemoveOnMatch.GetKeyMatcher())
			step.matches = &sm
		default:
			err = fmt.Errorf("%T is not supported", a)
		}
		if err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
		out = append(out, step)
	}
	return out, nil
}

func (f *mutationFilter) request(s *stream) bool {
	if f.slot >= 0 && s.disabled(f.slot) {
		return false
	}
	applySteps(f.base.request, s, &s.req.Headers)
	if own := f.own(s); own != nil {
		applySteps(own.request, s, &s.req.Headers)
	}
	return false
}

func (f *mutationFilter) response(s *stream) {
	if f.slot >= 0 && s.disabled(f.slot) {
		return
	}
	applySteps(f.base.response, s, &s.resp.Headers)
	if own := f.own(s); own != nil {
		applySteps(own.response, s, &s.resp.Headers)
	}
}

// own is what the levels of the route add, the most specific first.
func (f *mutationFilter) own(s *stream) *headerSteps {
	if f.slot < 0 || s.route == nil {
		return nil
	}
	own, _ := s.setting(f.slot).(*headerSteps)
	return own
}

func applySteps(steps []headerStep, s *stream, h *header.List) {
	for i := range steps {
		steps[i].apply(s, h)
	}
}

func (st *headerStep) apply(s *stream, h *header.List) {
	switch {
	case st.matches != nil:
		for i := len(h.Fields) - 1; i >= 0; i-- {
			if st.matches.match(h.Fields[i].Name) {
				h.Fields = append(h.Fields[:i], h.Fields[i+1:]...)
			}
		}
	case st.write == nil:
		h.Remove(st.remove)
	default:
		v := st.write.evaluate(s, h)
		if v == nil {
			return
		}
		if st.write.overwrites() {
			h.Remove(string(st.write.name))
			h.Add(st.write.name, v)
			return
		}
		st.write.write(s, h, v)
	}
}
