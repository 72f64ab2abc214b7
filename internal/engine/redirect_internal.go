package engine

import (
	"bytes"
	"errors"
	"net/url"
	"slices"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/crossgate/crossgate/internal/http1"
)

// internalRedirect is a compiled InternalRedirectPolicy: the proxy follows a
// redirect of the service itself.
type internalRedirect struct {
	limit       int
	codes       []int
	crossScheme bool
}

func compileInternalRedirect(p *routev3.InternalRedirectPolicy) (*internalRedirect, error) {
	if p == nil {
		return nil, nil
	}
	if len(p.GetPredicates()) > 0 || len(p.GetResponseHeadersToCopy()) > 0 {
		return nil, errors.New("internal_redirect_policy: predicates and response_headers_to_copy are not supported")
	}
	out := &internalRedirect{limit: 1, codes: []int{302}, crossScheme: p.GetAllowCrossSchemeRedirect()}
	if n := p.GetMaxInternalRedirects(); n != nil {
		out.limit = int(n.GetValue())
	}
	if codes := p.GetRedirectResponseCodes(); len(codes) > 0 {
		out.codes = nil
		for _, c := range codes {
			out.codes = append(out.codes, int(c))
		}
	}
	return out, nil
}

var hOriginalURL = []byte("x-envoy-original-url")

// follow makes the request the one that the service's answer redirects to, if
// the route wants that, and reports whether it did. The request is then routed
// and filtered anew.
func (s *stream) follow() bool {
	p := s.route.internal
	if p == nil || s.redirects >= p.limit || !slices.Contains(p.codes, s.resp.Status) || !s.client.ended() {
		return false
	}
	if !s.up.replayable {
		s.target.cluster.Stats.RedirectsFailed.Inc()
		return false // the body has been sent and was too large to be kept
	}
	location, ok := s.resp.Headers.Get("location")
	if !ok {
		s.target.cluster.Stats.RedirectsFailed.Inc()
		return false
	}
	u, err := url.Parse(string(location))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || !p.crossScheme && u.Scheme != string(s.scheme) {
		s.target.cluster.Stats.RedirectsFailed.Inc()
		return false
	}
	st := s.target.cluster.Stats
	if !s.redirectTo([]byte(u.Host), []byte(u.RequestURI())) {
		st.RedirectsFailed.Inc()
		return false
	}
	st.RedirectsFollowed.Inc()
	return true
}

// redirectTo makes the request one to another host and path, unless no route is
// there: then the client gets the service's redirect.
func (s *stream) redirectTo(host, path []byte) bool {
	b := append(s.arena.Start(), s.scheme...)
	b = append(b, "://"...)
	b = append(b, s.authority...)
	b = append(b, s.path...)
	original := s.arena.Done(b)
	before, method := s.streamState, s.req.Method
	if s.resp.Status == 303 && !bytes.Equal(s.req.Method, methodHEAD) {
		s.req.Method = methodGET
	}
	s.authority, s.path = host, path
	s.route, s.target = nil, nil
	proto, _ := s.req.Headers.Get("x-forwarded-proto")
	if s.vhost = s.manager.routes.hosts.find(s.lowerHost()); s.vhost != nil {
		s.findRoute()
	}
	if s.route == nil || len(proto) == 0 {
		s.streamState, s.req.Method = before, method
		return false
	}
	s.req.Headers.Set(hOriginalURL, original)
	if !bytes.Equal(s.req.Method, method) {
		s.dropBody()
	}
	s.redirects++
	s.rerun, s.lately = true, time.Time{}
	s.vhost, s.route, s.target = nil, nil, nil
	s.corsPolicy, s.corsOrigin = nil, nil
	s.attempts = 0
	return true
}

// dropBody leaves the request without the body that it had under another method.
func (s *stream) dropBody() {
	s.req.Headers.Remove("content-length")
	s.req.Framing, s.req.ContentLength = http1.NoBody, 0
	s.up.replay = s.up.replay[:0]
}

var (
	methodGET  = []byte("GET")
	methodHEAD = []byte("HEAD")
)
