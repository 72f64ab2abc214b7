package fetch

import (
	"slices"
	"strings"
)

// safelistedResponse are the headers that a page can read in any case ("CORS-safelisted response-header name").
var safelistedResponse = []string{
	"cache-control", "content-language", "content-length", "content-type", "expires", "last-modified", "pragma",
}

// expose is the end of "main fetch" (step 13): the filtered response, if there is one.
func (f *fetching) expose(response *Response) {
	if f.res.Failure != nil {
		return
	}
	f.res.Type = f.taint
	if f.taint == Opaque || f.taint == OpaqueRedirect {
		f.step(string(f.taint)+" filtered response", "the page gets a response of which it can read nothing")
		return
	}
	f.res.Status = response.Status
	visible := func(string) bool { return true }
	if f.taint == CORS {
		visible = f.exposed(response)
	}
	for _, h := range response.Headers {
		name := strings.ToLower(h.Name)
		known := slices.ContainsFunc(f.res.Headers, func(f Field) bool { return f.Name == name })
		if known || name == "set-cookie" || name == "set-cookie2" || !visible(name) {
			continue
		}
		value, _ := get(response.Headers, name)
		f.res.Headers = append(f.res.Headers, Field{name, value})
	}
}

// exposed is the "CORS-exposed header-name list" of a response. A list that cannot be parsed exposes nothing.
func (f *fetching) exposed(response *Response) func(name string) bool {
	const rule = "CORS filtered response"
	names, present, ok := tokens(response.Headers, "access-control-expose-headers")
	switch {
	case !ok:
		f.step(rule, "Access-Control-Expose-Headers cannot be parsed: it exposes nothing")
	case present && f.call.Credentials != Include && slices.Contains(names, "*"):
		f.step(rule, "every header can be read, but set-cookie")
		return func(string) bool { return true }
	case present:
		f.step(rule, "the page can read the safelisted headers and %s", strings.Join(names, ", "))
	default:
		f.step(rule, "the page can read the safelisted headers only")
	}
	return func(name string) bool { return slices.Contains(safelistedResponse, name) || containsFold(names, name) }
}
