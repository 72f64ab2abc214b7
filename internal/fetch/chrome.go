package fetch

import (
	"strings"

	"github.com/nlnwa/whatwg-url/url"
)

// Code is Chrome's name for a refusal (network::mojom::CorsError), as its DevTools protocol reports it.
type Code string

// The codes. The first six exist for preflights as well, with "Preflight" before them.
const (
	MissingAllowOriginHeader  Code = "MissingAllowOriginHeader"
	MultipleAllowOriginValues Code = "MultipleAllowOriginValues"
	InvalidAllowOriginValue   Code = "InvalidAllowOriginValue"
	AllowOriginMismatch       Code = "AllowOriginMismatch"
	WildcardOriginNotAllowed  Code = "WildcardOriginNotAllowed"
	InvalidAllowCredentials   Code = "InvalidAllowCredentials"

	PreflightInvalidStatus               Code = "PreflightInvalidStatus"
	PreflightDisallowedRedirect          Code = "PreflightDisallowedRedirect"
	InvalidAllowMethodsPreflightResponse Code = "InvalidAllowMethodsPreflightResponse"
	InvalidAllowHeadersPreflightResponse Code = "InvalidAllowHeadersPreflightResponse"
	MethodDisallowedByPreflightResponse  Code = "MethodDisallowedByPreflightResponse"
	HeaderDisallowedByPreflightResponse  Code = "HeaderDisallowedByPreflightResponse"

	RedirectContainsCredentials Code = "RedirectContainsCredentials"
	CorsDisabledScheme          Code = "CorsDisabledScheme"
)

// Codes are all of them, those of preflights included.
func Codes() []Code {
	both := []Code{
		MissingAllowOriginHeader, MultipleAllowOriginValues, InvalidAllowOriginValue, AllowOriginMismatch, WildcardOriginNotAllowed,
		InvalidAllowCredentials,
	}
	out := []Code{
		PreflightInvalidStatus, PreflightDisallowedRedirect, InvalidAllowMethodsPreflightResponse, InvalidAllowHeadersPreflightResponse,
		MethodDisallowedByPreflightResponse, HeaderDisallowedByPreflightResponse, RedirectContainsCredentials, CorsDisabledScheme,
	}
	for _, c := range both {
		out = append(out, c, "Preflight"+c)
	}
	return out
}

// mismatch is how Chrome calls an Access-Control-Allow-Origin that is not the request's origin.
func mismatch(allowed string, include bool) Code {
	if allowed == "*" && include {
		return WildcardOriginNotAllowed
	}
	if strings.ContainsAny(allowed, " ,") {
		return MultipleAllowOriginValues
	}
	if _, err := url.Parse(allowed); err != nil && allowed != "null" {
		return InvalidAllowOriginValue
	}
	return AllowOriginMismatch
}

// console is the line in Chrome's console.
func (f *fetching) console(code Code, param string) string {
	var b strings.Builder
	b.WriteString("Access to fetch at '" + f.current().Href(true) + "' ")
	if len(f.urls) > 1 {
		b.WriteString("(redirected from '" + f.urls[0].Href(true) + "') ")
	}
	b.WriteString("from origin '" + f.call.Page + "' has been blocked by CORS policy: ")
	if strings.HasPrefix(string(code), "Preflight") {
		b.WriteString("Response to preflight request doesn't pass access control check: ")
	}
	b.WriteString(consoleText(Code(strings.TrimPrefix(string(code), "Preflight")), param))
	return b.String()
}

// sameOriginConsole is Chrome's line for the mode same-origin, which has no code.
func (f *fetching) sameOriginConsole() string {
	return "Fetch API cannot load " + f.current().Href(true) +
		". Request mode is \"same-origin\" but the URL's origin is not same as the request origin " + f.call.Page + "."
}

// consoleText has the texts by code, without "Preflight".
func consoleText(code Code, param string) string {
	const valid = " Have the server send the header with a valid value."
	switch code {
	case MissingAllowOriginHeader:
		return "No 'Access-Control-Allow-Origin' header is present on the requested resource."
	case MultipleAllowOriginValues:
		return "The 'Access-Control-Allow-Origin' header contains multiple values '" + param + "', but only one is allowed." + valid
	case InvalidAllowOriginValue:
		return "The 'Access-Control-Allow-Origin' header contains the invalid value '" + param + "'." + valid
	case AllowOriginMismatch:
		return "The 'Access-Control-Allow-Origin' header has a value '" + param + "' that is not equal to the supplied origin." + valid
	case WildcardOriginNotAllowed:
		return "The value of the 'Access-Control-Allow-Origin' header in the response must not be the wildcard '*' when the request's credentials mode is 'include'."
	case InvalidAllowCredentials:
		return "The value of the 'Access-Control-Allow-Credentials' header in the response is '" + param +
			"' which must be 'true' when the request's credentials mode is 'include'."
	case "InvalidStatus":
		return "It does not have HTTP ok status."
	case "DisallowedRedirect":
		return "Redirect is not allowed for a preflight request."
	case InvalidAllowMethodsPreflightResponse:
		return "Cannot parse Access-Control-Allow-Methods response header field in preflight response."
	case InvalidAllowHeadersPreflightResponse:
		return "Cannot parse Access-Control-Allow-Headers response header field in preflight response."
	case MethodDisallowedByPreflightResponse:
		return "Method " + param + " is not allowed by Access-Control-Allow-Methods in preflight response."
	case HeaderDisallowedByPreflightResponse:
		return "Request header field " + param + " is not allowed by Access-Control-Allow-Headers in preflight response."
	case RedirectContainsCredentials:
		return "Redirect location '" + param + "' contains a username and password, which is disallowed for cross-origin requests."
	case CorsDisabledScheme:
		return "Cross origin requests are only supported for protocol schemes: chrome, chrome-extension, chrome-untrusted, data, http, https, isolated-app."
	}
	return ""
}
