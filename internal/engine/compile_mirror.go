package engine

import (
	"errors"
	"fmt"

	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/crossgate/crossgate/internal/http1"
)

// compileMirrors compiles the policies of the most specific level that has any.
func (c *compiler) compileMirrors(out *route, levels []level) error {
	for _, l := range levels {
		for i, p := range l.mirrors {
			m, err := c.compileMirror(p, out)
			if err != nil {
				return prefixed(fmt.Sprintf("request_mirror_policies[%d]", i), err)
			}
			out.mirrors = append(out.mirrors, m)
		}
		if len(l.mirrors) > 0 {
			return nil
		}
	}
	return nil
}

func (c *compiler) compileMirror(p *routev3.RouteAction_RequestMirrorPolicy, out *route) (*mirror, error) {
	m := &mirror{
		target:        &target{name: p.GetCluster(), cluster: c.prog.clusters.Cluster(p.GetCluster())},
		clusterHeader: p.GetClusterHeader(),
		keepHost:      p.GetDisableShadowHostSuffixAppend(),
		share:         oneMillion,
		// The service has as long as the one that answers; nothing is tried twice.
		route: &route{name: out.name, timeout: out.timeout, idleTimeout: -1, notFound: 503},
	}
	if (p.GetCluster() == "") == (m.clusterHeader == "") {
		return nil, errors.New("either cluster or cluster_header has to be set")
	}
	if f := p.GetRuntimeFraction(); f != nil {
		m.share = c.runtime.fraction(f)
	}
	if host := p.GetHostRewriteLiteral(); host != "" {
		if hasControl(host) {
			return nil, errors.New("host_rewrite_literal: control characters")
		}
		m.host = []byte(host)
	}
	for i, h := range p.GetRequestHeadersMutations() {
		step, err := compileHeaderMutation(h)
		if err != nil {
			return nil, prefixed(fmt.Sprintf("request_headers_mutations[%d]", i), err)
		}
		m.mutations = append(m.mutations, step)
	}
	return m, nil
}

// compileHeaderMutation compiles one step of a list that is applied in order.
func compileHeaderMutation(h *mutationv3.HeaderMutation) (*mutations, error) {
	switch a := h.GetAction().(type) {
	case *mutationv3.HeaderMutation_Append:
		return compileMutations([]*corev3.HeaderValueOption{a.Append}, nil, http1.JoinsRequest)
	case *mutationv3.HeaderMutation_Remove:
		return compileMutations(nil, []string{a.Remove}, http1.JoinsRequest)
	}
	return nil, fmt.Errorf("%T is not supported", h.GetAction())
}
