package policy

import (
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/crossgate/crossgate/internal/cors"
	"github.com/crossgate/crossgate/internal/origin"
)

// Call is what a page does: a fetch.
type Call struct {
	Host, Path, Origin, Method string
	// Headers are the names of those that the script sets, in lower case and
	// sorted; each makes a preflight necessary.
	Headers     []string
	Credentials bool
}

// Origins that pages of the guide have, and some that none of its policies means.
var pages = []string{
	"https://app.example.com", "https://admin.example.com", "https://mobile.example.com", "https://frontend.example.com", "https://www.example.com",
	"https://tenant1.app.example.com", "https://a.b.example.com", "https://example.com", "https://app.dev.example.com", "https://staging.example.com",
	"https://app.partner1.com", "https://integration.partner1.com", "https://app.partner2.com", "https://evil.example", "https://app.example.com.evil.example",
	"https://appxexample.com", "https://evilapp.example.com",
}

// Calls makes n calls to a host: of its policies' own origins, methods and headers,
// and of others.
func (h *Host) Calls(seed uint64, n int) []Call {
	g := rand.New(rand.NewPCG(seed, 1))
	var out []Call
	for len(out) < n {
		r := h.Routes[g.IntN(len(h.Routes))]
		c := Call{Host: h.Name, Path: r.Path.Text, Method: "GET", Origin: pages[g.IntN(len(pages))], Credentials: g.IntN(2) == 0}
		switch {
		case g.IntN(10) == 0:
			c.Path = "/nowhere"
		case r.Path.Kind == origin.Prefix:
			c.Path = strings.TrimSuffix(c.Path, "/") + "/x"
		}
		methods := []string{"GET", "POST", "PUT", "PATCH", "DELETE"}
		headers := []string{"x-other", "authorization", "content-type"}
		if p := r.Policy; p != nil {
			var exact []string
			for _, o := range p.Origins {
				if o.Kind == origin.Exact && strings.HasPrefix(o.Text, "https://") {
					exact = append(exact, o.Text)
				}
			}
			if len(exact) > 0 && g.IntN(3) > 0 {
				c.Origin = exact[g.IntN(len(exact))]
			}
			methods = append(methods, strings.Split(p.Methods, ",")...)
			headers = append(headers, strings.Split(p.Headers, ",")...)
		}
		if m := methods[g.IntN(len(methods))]; m != "" && m != "*" && m != "OPTIONS" {
			c.Method = m
		}
		for range g.IntN(3) {
			if name := strings.ToLower(headers[g.IntN(len(headers))]); name != "" && name != "*" && name != "accept" {
				c.Headers = append(c.Headers, name)
			}
		}
		slices.Sort(c.Headers)
		c.Headers = slices.Compact(c.Headers)
		out = append(out, c)
	}
	return out
}

// NeedsPreflight reports whether a browser asks before the call (Fetch, section
// 4.8): the values of the headers are such that no name is safelisted.
func (c Call) NeedsPreflight() bool {
	return c.Method != "GET" && c.Method != "HEAD" && c.Method != "POST" || len(c.Headers) > 0
}

// Preflight is the request that asks.
func (c Call) Preflight() cors.Request {
	r := cors.Request{Method: "OPTIONS", Path: c.Path, Headers: map[string]string{
		"origin": c.Origin, "access-control-request-method": c.Method,
	}}
	if len(c.Headers) > 0 {
		r.Headers["access-control-request-headers"] = strings.Join(c.Headers, ",")
	}
	return r
}

// Request is the request itself.
func (c Call) Request() cors.Request {
	r := cors.Request{Method: c.Method, Path: c.Path, Headers: map[string]string{"origin": c.Origin}}
	for _, h := range c.Headers {
		r.Headers[h] = "1"
	}
	return r
}

// Readable reports whether a page may read an answer (Fetch, section 4.10, CORS
// check).
func (c Call) Readable(a cors.Answer) bool {
	return a.AllowOrigin == c.Origin && (!c.Credentials || a.Credentials) || a.AllowOrigin == "*" && !c.Credentials
}

// Permits reports whether the answer to the preflight permits the call (Fetch,
// section 4.9, CORS-preflight fetch).
func (c Call) Permits(a cors.Answer) bool {
	if a.Status < 200 || a.Status > 299 || !c.Readable(a) {
		return false
	}
	has := func(list, name string, fold bool) bool {
		for item := range strings.SplitSeq(list, ",") {
			if item = strings.TrimSpace(item); item == name || fold && strings.EqualFold(item, name) || item == "*" && !c.Credentials {
				return true
			}
		}
		return false
	}
	simple := c.Method == "GET" || c.Method == "HEAD" || c.Method == "POST"
	if !simple && !has(a.AllowMethods, c.Method, false) {
		return false
	}
	for _, h := range c.Headers {
		if !has(a.AllowHeaders, h, true) {
			return false
		}
	}
	return true
}
