package fetch

import "fmt"

// Failure is why a page gets no response.
type Failure struct {
	// Rule is the algorithm of the Fetch standard that ended the fetch, and Text what it found.
	Rule, Text string
	// Code is Chrome's name for it; empty for failures that are not CORS's. Param is the value that Chrome reports with it.
	Code  Code
	Param string
	// Console is the line that Chrome writes to its console; empty without a Code.
	Console string
}

// check is the "CORS check" of a response, for the request itself or for its preflight.
func (f *fetching) check(response *Response, preflight bool) bool {
	const rule = "CORS check"
	of := "the answer"
	if preflight {
		of = "the answer to the preflight"
	}
	origin, include := f.origin(), f.call.Credentials == Include
	allowed, present := get(response.Headers, "access-control-allow-origin")
	credentials, _ := get(response.Headers, "access-control-allow-credentials")
	switch {
	case !present:
		return f.refuse(preflight, MissingAllowOriginHeader, "", rule+", step 2", "%s has no Access-Control-Allow-Origin", of)
	case !include && allowed == "*":
		f.step(rule+", step 3", "%s allows every origin, and no credentials go along", of)
		return true
	case allowed != origin:
		code, param := mismatch(allowed, include), allowed
		if code == WildcardOriginNotAllowed {
			param = ""
		}
		return f.refuse(preflight, code, param, rule+", step 4", "%s allows the origin %q, and the request's is %q", of, allowed, origin)
	case !include:
		f.step(rule+", step 5", "%s allows the origin %s", of, origin)
		return true
	case credentials == "true":
		f.step(rule+", step 7", "%s allows the origin %s with credentials", of, origin)
		return true
	}
	return f.refuse(preflight, InvalidAllowCredentials, credentials, rule+", step 8",
		"credentials are included, and %s has Access-Control-Allow-Credentials %q instead of \"true\"", of, credentials)
}

// refuse ends the fetch with one of the codes that exist for preflights, too.
func (f *fetching) refuse(preflight bool, code Code, param, rule, format string, args ...any) bool {
	if preflight {
		code = "Preflight" + code
	}
	return f.block(rule, code, param, format, args...)
}

// block ends the fetch with one of Chrome's codes.
func (f *fetching) block(rule string, code Code, param, format string, args ...any) bool {
	f.res.Failure = &Failure{Rule: rule, Text: fmt.Sprintf(format, args...), Code: code, Param: param}
	f.res.Failure.Console = f.console(code, param)
	f.step(rule, "%s", f.res.Failure.Text)
	return false
}
