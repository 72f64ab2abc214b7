package policy

import (
	"fmt"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/cors"
	"github.com/crossgate/crossgate/internal/origin"
	"github.com/crossgate/crossgate/internal/resource"
)

// Host is a host of a document.
type Host struct {
	cors.Host
	// Service has, for each route, the host of its first destination.
	Service []string
}

// Hosts reads the VirtualServices of a file under settings that hold for all.
func Hosts(name string, data []byte, s cors.Settings) ([]*Host, error) {
	f := resource.ParseFile(name, data, resource.ParseOptions{})
	if f.Diags.HasErrors() {
		return nil, fmt.Errorf("%s: %v", name, f.Diags)
	}
	var out []*Host
	for _, r := range f.Resources {
		vs, ok := r.Spec.(*networking.VirtualService)
		if !ok {
			continue
		}
		for _, name := range vs.GetHosts() {
			h := &Host{Host: cors.Host{Name: name}}
			for _, route := range vs.GetHttp() {
				if err := h.add(route, s); err != nil {
					return nil, fmt.Errorf("%s: %w", r.Key, err)
				}
			}
			out = append(out, h)
		}
	}
	return out, nil
}

// add adds a route for each match of an HTTPRoute.
func (h *Host) add(in *networking.HTTPRoute, s cors.Settings) error {
	p, err := policyOf(in.GetCorsPolicy())
	if err != nil {
		return err
	}
	matches := in.GetMatch()
	if len(matches) == 0 {
		matches = []*networking.HTTPMatchRequest{{}}
	}
	service := ""
	if len(in.GetRoute()) > 0 {
		service = in.GetRoute()[0].GetDestination().GetHost()
	}
	for _, m := range matches {
		r := cors.Route{Path: origin.Pattern{Kind: origin.Prefix, Text: "/"}, Policy: p, Settings: s}
		if m.GetUri() != nil {
			if r.Path, err = patternOf(m.GetUri()); err != nil {
				return err
			}
		}
		if len(m.GetHeaders()) > 0 || m.GetMethod() != nil || len(m.GetQueryParams()) > 0 || len(m.GetWithoutHeaders()) > 0 {
			return fmt.Errorf("a match with more than a path is not read here")
		}
		h.Routes = append(h.Routes, r)
		h.Service = append(h.Service, service)
	}
	return nil
}

func policyOf(in *networking.CorsPolicy) (*cors.Policy, error) {
	if in == nil {
		return nil, nil
	}
	p := &cors.Policy{
		Methods: strings.Join(in.GetAllowMethods(), ","), Headers: strings.Join(in.GetAllowHeaders(), ","),
		Expose: strings.Join(in.GetExposeHeaders(), ","), Credentials: in.GetAllowCredentials().GetValue(),
		Forward: in.GetUnmatchedPreflights() == networking.CorsPolicy_FORWARD,
		Ignore:  in.GetUnmatchedPreflights() == networking.CorsPolicy_IGNORE,
	}
	if in.GetMaxAge() != nil {
		p.MaxAge = fmt.Sprint(in.GetMaxAge().GetSeconds())
	}
	for _, o := range in.GetAllowOrigins() {
		pattern, err := patternOf(o)
		if err != nil {
			return nil, err
		}
		p.Origins = append(p.Origins, pattern)
	}
	return p, nil
}

func patternOf(m *networking.StringMatch) (origin.Pattern, error) {
	switch t := m.GetMatchType().(type) {
	case *networking.StringMatch_Exact:
		return origin.Compile(origin.Exact, t.Exact, false)
	case *networking.StringMatch_Prefix:
		return origin.Compile(origin.Prefix, t.Prefix, false)
	case *networking.StringMatch_Regex:
		return origin.Compile(origin.Regex, t.Regex, false)
	}
	return origin.Pattern{}, fmt.Errorf("a match of type %T", m.GetMatchType())
}
