package fetch

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// preflightCache is the "CORS-preflight cache": one entry per allowed method or header name.
type preflightCache []permission

// permission is a cache entry; either method or header is set.
type permission struct {
	origin, url    string
	credentials    bool
	method, header string
	until          time.Time
}

// defaultMaxAge is for how long a permission is kept if the answer does not say (Fetch, "CORS-preflight fetch", step 7.9),
// maxMaxAge is the most that Chrome keeps one.
const (
	defaultMaxAge = 5 * time.Second
	maxMaxAge     = 2 * time.Hour
)

// find looks for an entry that matches the request and for which matches holds ("cache entry match").
func (f *fetching) find(matches func(*permission) bool) *permission {
	now, origin, address, include := f.browser.Now(), f.origin(), f.current().Href(true), f.call.Credentials == Include
	cache := f.browser.cache
	for i := range cache {
		p := &cache[i]
		if p.origin == origin && p.url == address && (p.credentials || !include) && now.Before(p.until) && matches(p) {
			return p
		}
	}
	return nil
}

// findMethod is "method cache entry match". A `*` that was learnt with credentials is a method of that name.
func (f *fetching) findMethod(method string) *permission {
	return f.find(func(p *permission) bool { return p.method == method || p.method == "*" && !p.credentials })
}

// findHeader is "header-name cache entry match".
func (f *fetching) findHeader(name string) *permission {
	return f.find(func(p *permission) bool {
		return p.header != "" && strings.EqualFold(p.header, name) ||
			p.header == "*" && !p.credentials && (f.browser.Profile == Today || !isNonWildcard(name))
	})
}

// needsPreflight tells why the request needs a preflight that the cache cannot replace ("HTTP fetch", step 5), reason by reason; none
// if it needs none.
func (f *fetching) needsPreflight() (reasons []string) {
	if (f.call.Upload || !isSafelistedMethod(f.method)) && f.findMethod(f.method) == nil {
		if isSafelistedMethod(f.method) {
			reasons = append(reasons, "the progress of the upload is listened to")
		} else {
			reasons = append(reasons, "the method "+f.method+" is not GET, HEAD or POST")
		}
	}
	for _, h := range unsafeHeaders(f.headers) {
		if f.findHeader(h.name) == nil {
			reasons = append(reasons, "the header "+h.name+": "+h.reason)
		}
	}
	return reasons
}

// whyNoPreflight tells why needsPreflight found nothing.
func (f *fetching) whyNoPreflight() string {
	if f.call.Upload || !isSafelistedMethod(f.method) || len(unsafeHeaders(f.headers)) > 0 {
		return "an earlier one is still in the cache"
	}
	return f.method + " with safelisted headers only"
}

// preflight is "CORS-preflight fetch".
func (f *fetching) preflight() bool {
	request := &Request{Method: "OPTIONS", URL: f.current().Href(true), Preflight: true}
	request.Headers = []Field{{"Accept", "*/*"}, {"Access-Control-Request-Method", f.method}}
	unsafe := unsafeHeaders(f.headers)
	if len(unsafe) > 0 {
		names := make([]string, len(unsafe))
		for i, h := range unsafe {
			names[i] = h.name
		}
		request.Headers = append(request.Headers, Field{"Access-Control-Request-Headers", strings.Join(names, ",")})
	}
	request.Headers = append(request.Headers, Field{"Origin", f.origin()})
	response, ok := f.send(request)
	if !ok {
		return false
	}
	const rule = "CORS-preflight fetch, step "
	if _, found := get(response.Headers, "location"); found && isRedirectStatus(response.Status) {
		return f.block(rule+"8", PreflightDisallowedRedirect, "", "the preflight is answered by a redirect")
	}
	if !f.check(response, true) {
		return false
	}
	if response.Status < 200 || response.Status > 299 {
		return f.block(rule+"8", PreflightInvalidStatus, "", "the preflight is answered with status %d, not 200 to 299", response.Status)
	}
	return f.permitted(response, unsafe)
}

// permitted is step 7 of "CORS-preflight fetch": the lists of an answer that has passed the check.
func (f *fetching) permitted(response *Response, unsafe []unsafeHeader) bool {
	const rule = "CORS-preflight fetch, step 7."
	methods, present, ok := tokens(response.Headers, "access-control-allow-methods")
	if !ok {
		value, _ := get(response.Headers, "access-control-allow-methods")
		return f.block(rule+"3", InvalidAllowMethodsPreflightResponse, value, "Access-Control-Allow-Methods is no list of methods: %q", value)
	}
	headers, _, ok := tokens(response.Headers, "access-control-allow-headers")
	if !ok {
		value, _ := get(response.Headers, "access-control-allow-headers")
		return f.block(rule+"3", InvalidAllowHeadersPreflightResponse, value, "Access-Control-Allow-Headers is no list of names: %q", value)
	}
	if !present && f.call.Upload {
		methods = []string{f.method}
	}
	include := f.call.Credentials == Include
	if !slices.Contains(methods, f.method) && !isSafelistedMethod(f.method) && (include || !slices.Contains(methods, "*")) {
		return f.block(rule+"5", MethodDisallowedByPreflightResponse, f.method, "Access-Control-Allow-Methods does not allow %s%s", f.method,
			literalStar(methods, include))
	}
	for _, h := range unsafe {
		if containsFold(headers, h.name) {
			continue
		}
		if isNonWildcard(h.name) && f.browser.Profile == Spec {
			return f.block(rule+"6", HeaderDisallowedByPreflightResponse, h.name,
				"Access-Control-Allow-Headers does not name %s, for which \"*\" does not stand (browsers of today let it)", h.name)
		}
		if include || !slices.Contains(headers, "*") {
			return f.block(rule+"7", HeaderDisallowedByPreflightResponse, h.name, "Access-Control-Allow-Headers does not allow %s%s", h.name,
				literalStar(headers, include))
		}
	}
	f.step(rule+"15", "the preflight allows the request")
	f.keep(response, methods, headers)
	return true
}

// literalStar explains a `*` that does not help.
func literalStar(list []string, include bool) string {
	if include && slices.Contains(list, "*") {
		return " (with credentials, \"*\" is only a name)"
	}
	return ""
}

// keep puts what the answer allows into the cache (steps 7.8 to 7.14).
func (f *fetching) keep(response *Response, methods, headers []string) {
	age := f.maxAge(response)
	if age <= 0 {
		return
	}
	until := f.browser.Now().Add(age)
	entry := permission{origin: f.origin(), url: f.current().Href(true), credentials: f.call.Credentials == Include, until: until}
	for _, m := range methods {
		if p := f.findMethod(m); p != nil {
			p.until = until
			continue
		}
		e := entry
		e.method = m
		f.browser.cache = append(f.browser.cache, e)
	}
	for _, h := range headers {
		if p := f.findHeader(h); p != nil {
			p.until = until
			continue
		}
		e := entry
		e.header = h
		f.browser.cache = append(f.browser.cache, e)
	}
}

// maxAge is for how long the answer's permissions are kept.
func (f *fetching) maxAge(response *Response) time.Duration {
	seconds, ok := maxAge(response.Headers)
	if !ok {
		value, _ := get(response.Headers, "access-control-max-age")
		if n, err := strconv.Atoi(value); f.browser.Profile == Today && err == nil && n < 0 {
			return 0
		}
		return defaultMaxAge
	}
	limit := int64(maxMaxAge / time.Second)
	if f.browser.Profile == Spec {
		limit = 1 << 31 // the standard leaves the limit to the browser
	}
	return time.Duration(min(seconds, limit)) * time.Second
}
