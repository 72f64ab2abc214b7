package fetch

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nlnwa/whatwg-url/url"
)

// maxRedirects is how many redirects a fetch follows (Fetch, "HTTP-redirect fetch", step 5).
const maxRedirects = 20

// Browser is a browser with its preflight cache. It is not safe for concurrent use.
type Browser struct {
	Profile Profile
	// Now is the clock of the preflight cache.
	Now func() time.Time

	cache preflightCache
}

// Fetch plays one call over net. It never fails: what stands in the way of the page is in the result.
func (b *Browser) Fetch(call Call, net Network) *Result {
	f := &fetching{browser: b, call: call, net: net, res: &Result{Type: NetworkError}}
	f.run()
	if f.res.Failure != nil {
		f.res.Type, f.res.Status, f.res.Headers = NetworkError, 0, nil
	}
	return f.res
}

// fetching is one call on its way: the "request" of the standard.
type fetching struct {
	browser *Browser
	call    Call
	net     Network
	res     *Result

	method  string
	headers []Field
	urls    []*url.Url // the URL list; the last is the current one
	taint   ResponseType
	why     []string // of the next exchange
}

// run is "main fetch", once for each hop.
func (f *fetching) run() {
	if !f.prepare() {
		return
	}
	for {
		preflight, ok := f.choose()
		if !ok {
			return
		}
		if f.current().Scheme() == "data" {
			f.res.Type, f.res.Status = Basic, 200
			return
		}
		response, ok := f.http(preflight)
		if !ok {
			return
		}
		if !isRedirectStatus(response.Status) || !f.redirect(response) {
			f.expose(response)
			return
		}
	}
}

func (f *fetching) current() *url.Url { return f.urls[len(f.urls)-1] }

func (f *fetching) step(rule, format string, args ...any) {
	f.res.Steps = append(f.res.Steps, Step{Rule: rule, Text: fmt.Sprintf(format, args...)})
}

// fail ends the fetch with a network error that is no matter of CORS's checks.
func (f *fetching) fail(rule, format string, args ...any) bool {
	f.res.Failure = &Failure{Rule: rule, Text: fmt.Sprintf(format, args...)}
	f.step(rule, "%s", f.res.Failure.Text)
	return false
}

// prepare is the constructor of Request: what the page wrote becomes a request.
func (f *fetching) prepare() bool {
	const rule = "Request constructor"
	c := &f.call
	c.Mode, c.Credentials, c.Redirect = cmp.Or(c.Mode, ModeCORS), cmp.Or(c.Credentials, SameOrigin), cmp.Or(c.Redirect, Follow)
	f.method, f.taint = cmp.Or(c.Method, "GET"), Basic
	u, err := url.Parse(c.URL)
	if err != nil {
		return f.fail(rule, "%q is not an absolute URL: fetch throws a TypeError", c.URL)
	}
	if u.Username() != "" || u.Password() != "" {
		return f.fail(rule, "%q holds a user name or password: fetch throws a TypeError", c.URL)
	}
	f.urls = []*url.Url{u}
	if !isToken(f.method) || isForbiddenMethod(f.method) {
		return f.fail(rule, "the method %q cannot be sent by a page: fetch throws a TypeError", f.method)
	}
	if m := normalizeMethod(f.method); m != f.method {
		f.step("normalize a method", "%s is sent as %s", f.method, m)
		f.method = m
	}
	if c.Mode == ModeNoCORS && !isSafelistedMethod(f.method) {
		return f.fail(rule, "mode no-cors allows GET, HEAD and POST, not %s: fetch throws a TypeError", f.method)
	}
	return f.prepareHeaders()
}

func (f *fetching) prepareHeaders() bool {
	for _, h := range f.call.Headers {
		h.Value = strings.Trim(h.Value, " \t\r\n")
		switch {
		case !isToken(h.Name) || strings.ContainsAny(h.Value, "\x00\r\n"):
			return f.fail("Request constructor", "the header %q: %q cannot be sent: fetch throws a TypeError", h.Name, h.Value)
		case isForbidden(h):
			f.step("forbidden request-header", "%s is the browser's own and is left out", h.Name)
		case f.call.Mode == ModeNoCORS && whyUnsafe(strings.ToLower(h.Name), h.Value) != "":
			f.step("no-CORS-safelisted request-header", "%s is left out in mode no-cors", h.Name)
		case f.browser.Profile == Today:
			f.headers = join(f.headers, h)
		default:
			f.headers = append(f.headers, h)
		}
	}
	return true
}

// choose is the middle of "main fetch" (step 12): same origin, no-cors or CORS, and whether a preflight may be needed.
func (f *fetching) choose() (preflight, ok bool) {
	const rule = "main fetch, step 12"
	u := f.current()
	http := u.Scheme() == "http" || u.Scheme() == "https"
	switch {
	case f.taint == Basic && (u.Scheme() == "data" || http && originOf(u) == f.call.Page):
		f.step(rule, "%s is of the page's own origin: CORS has no say", short(u))
		return false, true
	case f.call.Mode == ModeSameOrigin:
		f.fail(rule, "mode same-origin, and %s is another origin than %s", originOf(u), f.call.Page)
		if len(f.urls) == 1 {
			f.res.Failure.Console = f.sameOriginConsole()
		}
		return false, false
	case f.call.Mode == ModeNoCORS:
		if f.call.Redirect != Follow {
			return false, f.fail(rule, "mode no-cors needs the redirect mode follow, not %s", f.call.Redirect)
		}
		f.step(rule, "%s is another origin than %s; in mode no-cors the request goes out and its answer stays opaque", originOf(u), f.call.Page)
		f.taint = Opaque
		return false, true
	case !http:
		return false, f.block(rule, CorsDisabledScheme, "", "%s: is not fetched across origins", u.Scheme())
	}
	f.step(rule, "%s is another origin than %s: a CORS request", originOf(u), f.call.Page)
	f.taint = CORS
	return true, true
}

// http is "HTTP fetch": the preflight, if one is needed, then the request itself and the check of its answer.
func (f *fetching) http(preflight bool) (*Response, bool) {
	if preflight {
		if f.why = f.needsPreflight(); f.why == nil {
			f.why = []string{f.whyNoPreflight()}
			f.step("HTTP fetch, step 5", "no preflight: %s", f.why[0])
		} else {
			f.step("HTTP fetch, step 5", "a preflight is needed: %s", strings.Join(f.why, "; "))
			if !f.preflight() {
				return nil, false
			}
		}
	}
	request := &Request{Method: f.method, URL: f.current().Href(true), Headers: slices.Clone(f.headers)}
	request.Credentials = f.call.Credentials == Include || f.call.Credentials == SameOrigin && f.taint == Basic
	if f.taint == CORS || !isSafelistedMethod(f.method) || f.method == "POST" {
		request.Headers = append(request.Headers, Field{"Origin", f.origin()})
	}
	response, ok := f.send(request)
	if !ok {
		return nil, false
	}
	if f.taint == CORS && !f.check(response, false) {
		return nil, false
	}
	return response, true
}

// send asks the network.
func (f *fetching) send(request *Request) (*Response, bool) {
	response, err := f.net(request)
	f.res.Exchanges = append(f.res.Exchanges, Exchange{Request: request, Response: response, Why: f.why})
	f.why = nil
	if err != nil {
		return nil, f.fail("HTTP-network fetch", "no answer from %s: %v", request.URL, err)
	}
	return response, true
}

// origin is "serializing a request origin": "null" once a redirect between two origins, neither of them the page's
// alone, has tainted the request ("redirect-taint").
func (f *fetching) origin() string {
	for i := 1; i < len(f.urls); i++ {
		from, to := originOf(f.urls[i-1]), originOf(f.urls[i])
		if from != to && from != f.call.Page {
			return "null"
		}
	}
	return f.call.Page
}

// originOf is the origin of a URL, serialized (HTML, "ASCII serialization of an origin").
func originOf(u *url.Url) string {
	switch u.Scheme() {
	case "http", "https", "ftp", "ws", "wss":
		return u.Protocol() + "//" + u.Host()
	}
	return "null"
}

// short is a URL without its query, for a sentence.
func short(u *url.Url) string {
	if u.Scheme() == "data" {
		return "a data: URL"
	}
	return originOf(u) + u.Pathname()
}
