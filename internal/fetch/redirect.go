package fetch

import (
	"slices"
	"strings"

	"github.com/nlnwa/whatwg-url/url"
)

func isRedirectStatus(status int) bool {
	switch status {
	case 301, 302, 303, 307, 308:
		return true
	}
	return false
}

// redirect is what "HTTP fetch" does with a redirect, and "HTTP-redirect fetch". It tells whether to go on at the new URL.
func (f *fetching) redirect(response *Response) bool {
	const rule = "HTTP-redirect fetch"
	location, found := get(response.Headers, "location")
	next, err := f.current().Parse(location)
	switch {
	case f.call.Redirect == Manual:
		f.taint = OpaqueRedirect
		return false
	case f.call.Redirect == Error && f.browser.Profile == Spec:
		return f.fail("HTTP fetch, step 8", "the answer is a redirect, and the redirect mode is error")
	case !found:
		return false // a response like any other
	case err != nil:
		return f.fail(rule, "the Location %q is no URL", location)
	case !f.mayName(next):
		return false
	case f.call.Redirect == Error: // Chrome does it in this order
		return f.fail("HTTP fetch, step 8", "the answer is a redirect, and the redirect mode is error")
	case next.Scheme() != "http" && next.Scheme() != "https":
		return f.fail(rule, "the redirect leads to %s:, which is not HTTP", next.Scheme())
	case len(f.urls) > maxRedirects:
		return f.fail(rule, "more than %d redirects", maxRedirects)
	}
	if (response.Status == 301 || response.Status == 302) && f.method == "POST" || response.Status == 303 && f.method != "GET" && f.method != "HEAD" {
		f.step(rule, "status %d turns %s into GET, without a body and its headers", response.Status, f.method)
		f.method = "GET"
		f.drop(func(name string) bool { return slices.Contains(requestBodyNames, name) })
	}
	if originOf(next) != originOf(f.current()) {
		f.drop(isNonWildcard)
	}
	f.urls = append(f.urls, next)
	f.step(rule, "on to %s, with Origin %s", short(next), f.origin())
	return true
}

// mayName tells whether a Location may hold a user name or password, if it does. The standard asks only in mode cors; Chrome
// follows none that holds one.
func (f *fetching) mayName(next *url.Url) bool {
	const rule = "HTTP-redirect fetch"
	switch {
	case next.Username() == "" && next.Password() == "":
		return true
	case f.call.Mode == ModeCORS && (originOf(next) != f.call.Page || f.taint == CORS):
		return f.block(rule, RedirectContainsCredentials, "", "the Location holds a user name or password")
	case f.browser.Profile == Today:
		return f.fail(rule, "the Location holds a user name or password, which browsers do not follow")
	}
	return true
}

// drop leaves out the headers whose names, in lower case, are bad.
func (f *fetching) drop(bad func(name string) bool) {
	f.headers = slices.DeleteFunc(f.headers, func(h Field) bool { return bad(strings.ToLower(h.Name)) })
}
