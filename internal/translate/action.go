package translate

import (
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
)

// action sets what the route does.
func (b *routeBuilder) action(out *routev3.Route, authority string) bool {
	switch {
	case b.in.GetRedirect() != nil:
		return b.redirect(out)
	case b.in.GetDirectResponse() != nil:
		directResponse(out, b.in.GetDirectResponse())
		return true
	}
	return b.forward(out, authority)
}

// forward sends requests to the destinations of the route.
func (b *routeBuilder) forward(out *routev3.Route, authority string) bool {
	// Istio has no timeout unless told; the deprecated field is what it sends.
	a := &routev3.RouteAction{Timeout: durationpb.New(0), MaxGrpcTimeout: durationpb.New(0)} //nolint:staticcheck
	if d := b.in.GetTimeout(); d != nil {
		a.Timeout, a.MaxGrpcTimeout = d, d //nolint:staticcheck
	}
	if r := b.in.GetRewrite(); r != nil {
		if rr := r.GetUriRegexRewrite(); rr != nil {
			a.RegexRewrite = &matcherv3.RegexMatchAndSubstitute{
				Pattern:      &matcherv3.RegexMatcher{Regex: rr.GetMatch()},
				Substitution: rr.GetRewrite(),
			}
		} else {
			a.PrefixRewrite = r.GetUri()
		}
		if r.GetAuthority() != "" {
			authority = r.GetAuthority()
		}
	}
	if authority != "" {
		a.HostRewriteSpecifier = &routev3.RouteAction_HostRewriteLiteral{HostRewriteLiteral: authority}
	}
	a.RequestMirrorPolicies = b.mirrors()
	hashed := false
	if len(b.in.GetRoute()) == 1 {
		b.single(out, a, b.in.GetRoute()[0])
		hashed = b.t.hashOf(b.in.GetRoute()[0].GetDestination(), b.vs.Namespace) != nil
	} else if !b.weighted(a) {
		return false
	}
	a.RetryPolicy = b.retryPolicy(hashed)
	out.Action = &routev3.Route_Route{Route: a}
	return true
}

// single forwards to one destination, whatever its weight. Its header changes
// become the route's.
func (b *routeBuilder) single(out *routev3.Route, a *routev3.RouteAction, dst *networking.HTTPRouteDestination) {
	cluster := b.t.destination(b, dst.GetDestination(), b.path+".route[0].destination")
	a.ClusterSpecifier = &routev3.RouteAction_Cluster{Cluster: cluster}
	b.hash(a, dst)
	ops := headerOperations(dst.GetHeaders())
	ops.applyTo(out)
	if ops.authority != "" && a.GetHostRewriteSpecifier() == nil {
		a.HostRewriteSpecifier = &routev3.RouteAction_HostRewriteLiteral{HostRewriteLiteral: ops.authority}
	}
}

// weighted shares requests among the destinations that have a weight. It
// refuses a route where none has: istiod sends that, and Envoy rejects the whole
// route table for it.
func (b *routeBuilder) weighted(a *routev3.RouteAction) bool {
	wc := &routev3.WeightedCluster{}
	for i, dst := range b.in.GetRoute() {
		if dst.GetWeight() == 0 {
			continue
		}
		b.hash(a, dst)
		ops := headerOperations(dst.GetHeaders())
		w := &routev3.WeightedCluster_ClusterWeight{
			Name:                    b.t.destination(b, dst.GetDestination(), fmt.Sprintf("%s.route[%d].destination", b.path, i)),
			Weight:                  wrapperspb.UInt32(uint32(dst.GetWeight())),
			RequestHeadersToAdd:     ops.requestAdd,
			RequestHeadersToRemove:  ops.requestRemove,
			ResponseHeadersToAdd:    ops.responseAdd,
			ResponseHeadersToRemove: ops.responseRemove,
		}
		if ops.authority != "" {
			w.HostRewriteSpecifier = &routev3.WeightedCluster_ClusterWeight_HostRewriteLiteral{HostRewriteLiteral: ops.authority}
		}
		wc.Clusters = append(wc.Clusters, w)
	}
	if len(wc.GetClusters()) == 0 {
		b.t.report(diag.Error, CodeDropped, b.from, b.path+".route", "route left out: no destination has a weight")
		return false
	}
	a.ClusterSpecifier = &routev3.RouteAction_WeightedClusters{WeightedClusters: wc}
	return true
}

// mirrors translates the destinations that get a copy of each request. Their host
// is that of the request (DISABLE_SHADOW_HOST_SUFFIX of istiod, which is on). A share
// that is not 0 and too small to be written stays a mirror, of no request.
func (b *routeBuilder) mirrors() []*routev3.RouteAction_RequestMirrorPolicy {
	var out []*routev3.RouteAction_RequestMirrorPolicy
	add := func(dst *networking.Destination, path string, fraction *typev3.FractionalPercent) {
		if dst == nil || fraction == nil {
			return
		}
		out = append(out, &routev3.RouteAction_RequestMirrorPolicy{
			Cluster:         b.t.destination(b, dst, path),
			RuntimeFraction: &corev3.RuntimeFractionalPercent{DefaultValue: fraction},
			TraceSampled:    wrapperspb.Bool(false),

			DisableShadowHostSuffixAppend: true,
		})
	}
	whole := &typev3.FractionalPercent{Numerator: 100}
	fraction := whole
	if p := b.in.GetMirrorPercentage(); p != nil {
		fraction = positive(p)
	} else if p := b.in.GetMirrorPercent(); p != nil { //nolint:staticcheck // Deprecated, and still in use.
		if fraction = nil; p.GetValue() > 0 {
			fraction = &typev3.FractionalPercent{Numerator: p.GetValue()}
		}
	}
	add(b.in.GetMirror(), b.path+".mirror", fraction)
	for i, m := range b.in.GetMirrors() {
		fraction = whole
		if m.GetPercentage() != nil {
			fraction = positive(m.GetPercentage())
		}
		add(m.GetDestination(), fmt.Sprintf("%s.mirrors[%d].destination", b.path, i), fraction)
	}
	return out
}

// positive is the percentage, or nil for 0.
func positive(p *networking.Percent) *typev3.FractionalPercent {
	if p.GetValue() <= 0 {
		return nil
	}
	return percent(p)
}

func directResponse(out *routev3.Route, in *networking.HTTPDirectResponse) {
	a := &routev3.DirectResponseAction{Status: in.GetStatus()}
	switch body := in.GetBody().GetSpecifier().(type) {
	case *networking.HTTPBody_String_:
		a.Body = &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: body.String_}}
	case *networking.HTTPBody_Bytes:
		a.Body = &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: body.Bytes}}
	}
	out.Action = &routev3.Route_DirectResponse{DirectResponse: a}
}

var redirectCodes = map[uint32]routev3.RedirectAction_RedirectResponseCode{
	0:   routev3.RedirectAction_MOVED_PERMANENTLY,
	301: routev3.RedirectAction_MOVED_PERMANENTLY,
	302: routev3.RedirectAction_FOUND,
	303: routev3.RedirectAction_SEE_OTHER,
	307: routev3.RedirectAction_TEMPORARY_REDIRECT,
	308: routev3.RedirectAction_PERMANENT_REDIRECT,
}

func (b *routeBuilder) redirect(out *routev3.Route) bool {
	in := b.in.GetRedirect()
	code, ok := redirectCodes[in.GetRedirectCode()]
	if !ok {
		b.t.report(diag.Error, CodeUnsupported, b.from, b.path+".redirect.redirectCode",
			"route left out: redirect code %d is not supported", in.GetRedirectCode())
		return false
	}
	a := &routev3.RedirectAction{
		HostRedirect:         in.GetAuthority(),
		PathRewriteSpecifier: &routev3.RedirectAction_PathRedirect{PathRedirect: in.GetUri()},
		ResponseCode:         code,
		PortRedirect:         b.redirectPort(in),
	}
	if in.GetPrefixRewrite() != "" {
		a.PathRewriteSpecifier = &routev3.RedirectAction_PrefixRewrite{PrefixRewrite: in.GetPrefixRewrite()}
	}
	if in.GetScheme() != "" {
		a.SchemeRewriteSpecifier = &routev3.RedirectAction_SchemeRedirect{SchemeRedirect: in.GetScheme()}
	}
	out.Action = &routev3.Route_Redirect{Redirect: a}
	return true
}

// redirectPort is the port written into the Location, 0 for none: never the
// one that the scheme stands for.
func (b *routeBuilder) redirectPort(in *networking.HTTPRedirect) uint32 {
	var port uint32
	switch p := in.GetRedirectPort().(type) {
	case *networking.HTTPRedirect_Port:
		port = p.Port
	case *networking.HTTPRedirect_DerivePort:
		if p.DerivePort == networking.HTTPRedirect_FROM_REQUEST_PORT {
			port = b.server.port()
		}
	}
	scheme := in.GetScheme()
	if scheme == "" {
		scheme = "http"
		if b.server.spec.GetTls() != nil {
			scheme = "https"
		}
	}
	if scheme == "http" && port == 80 || scheme == "https" && port == 443 {
		return 0
	}
	return port
}
