package fetch

import (
	"slices"
	"strings"
)

// get is "get" of a header list: the values of all fields of that name, joined by a comma and a space. Values are
// without leading and trailing blanks, as header lists keep them.
func get(list []Field, name string) (string, bool) {
	var values []string
	for _, f := range list {
		if strings.EqualFold(f.Name, name) {
			values = append(values, trimOWS(f.Value))
		}
	}
	return strings.Join(values, ", "), values != nil
}

// join adds a field to the one of the same name, as Chrome does before it looks at values.
func join(list []Field, add Field) []Field {
	for i := range list {
		if strings.EqualFold(list[i].Name, add.Name) {
			list[i].Value += ", " + add.Value
			return list
		}
	}
	return append(list, add)
}

// tokens is "extract header list values" for a header that is a list of tokens (#token, with the empty elements that
// RFC 9110, section 5.6.1.2, wants accepted). present tells that the header is there; ok is false if one line cannot be parsed.
func tokens(list []Field, name string) (values []string, present, ok bool) {
	for _, f := range list {
		if !strings.EqualFold(f.Name, name) {
			continue
		}
		present = true
		for element := range strings.SplitSeq(f.Value, ",") {
			element = trimOWS(element)
			if element == "" {
				continue
			}
			if !isToken(element) {
				return nil, true, false
			}
			values = append(values, element)
		}
	}
	return values, present, true
}

// containsFold tells whether name is in list, byte-case-insensitively.
func containsFold(list []string, name string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, name) })
}

func trimOWS(s string) string { return strings.Trim(s, " \t") }

// isToken tells whether s is a token (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

func isTokenByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// forbidden are the names that a page cannot set (Fetch, "forbidden request-header"), in lower case; those that begin with
// proxy- or sec- are not listed.
var forbidden = []string{
	"accept-charset", "accept-encoding", "access-control-request-headers", "access-control-request-method", "connection",
	"content-length", "cookie", "cookie2", "date", "dnt", "expect", "host", "keep-alive", "origin", "referer", "set-cookie",
	"te", "trailer", "transfer-encoding", "upgrade", "via",
}

// isForbidden is "forbidden request-header": the browser drops such a field in silence.
func isForbidden(f Field) bool {
	name := strings.ToLower(f.Name)
	if slices.Contains(forbidden, name) || strings.HasPrefix(name, "proxy-") || strings.HasPrefix(name, "sec-") {
		return true
	}
	if name != "x-http-method" && name != "x-http-method-override" && name != "x-method-override" {
		return false
	}
	for method := range strings.SplitSeq(f.Value, ",") {
		if isForbiddenMethod(strings.Trim(method, " \t\r\n")) {
			return true
		}
	}
	return false
}

func isForbiddenMethod(method string) bool {
	return containsFold([]string{"CONNECT", "TRACE", "TRACK"}, method)
}

// normalizeMethod is "normalize": six methods are written in capitals, whatever the page wrote; PATCH is not among them.
func normalizeMethod(method string) string {
	for _, m := range []string{"DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"} {
		if strings.EqualFold(m, method) {
			return m
		}
	}
	return method
}

func isSafelistedMethod(method string) bool {
	return method == "GET" || method == "HEAD" || method == "POST"
}

// isNonWildcard is "CORS non-wildcard request-header name": the one name that `*` does not stand for.
func isNonWildcard(name string) bool { return strings.EqualFold(name, "authorization") }

// requestBodyNames are deleted when a redirect turns a request into a GET ("request-body-header name").
var requestBodyNames = []string{"content-encoding", "content-language", "content-location", "content-type"}
