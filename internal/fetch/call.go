package fetch

// Field is one header field, as it was written: a name and a value.
type Field struct{ Name, Value string }

// Credentials is the credentials mode of a request (Fetch, "Requests").
type Credentials string

// The credentials modes. A page that says nothing gets SameOrigin.
const (
	Omit       Credentials = "omit"
	SameOrigin Credentials = "same-origin"
	Include    Credentials = "include"
)

// Mode is the mode of a request (Fetch, "Requests"). Only modes that fetch() can ask for are here.
type Mode string

// The modes. A page that says nothing gets ModeCORS.
const (
	ModeCORS       Mode = "cors"
	ModeNoCORS     Mode = "no-cors"
	ModeSameOrigin Mode = "same-origin"
)

// Redirect is the redirect mode of a request (Fetch, "Requests").
type Redirect string

// The redirect modes. A page that says nothing gets Follow.
const (
	Follow Redirect = "follow"
	Error  Redirect = "error"
	Manual Redirect = "manual"
)

// Call is one call of fetch() by a page.
type Call struct {
	// Page is the serialized origin of the page: "https://app.example.com", or "null" for an opaque one (a sandboxed frame,
	// a data: or file: URL).
	Page string
	// URL is what the page asks for; relative ones are not allowed, since a Page has no path.
	URL string
	// Method as the page wrote it; empty means GET.
	Method string
	// Headers as the page wrote them. The content type that a body brings along has to be among them.
	Headers []Field
	// Credentials, Mode and Redirect are fetch()'s options; empty means fetch()'s own default.
	Credentials Credentials
	Mode        Mode
	Redirect    Redirect
	// Upload tells that something listens to the progress of the upload (XMLHttpRequest.upload), which forces a preflight.
	Upload bool
}

// Request is what the browser sends, as far as CORS decides about it.
type Request struct {
	Method  string
	URL     string
	Headers []Field
	// Preflight tells that this is the OPTIONS request that asks for permission.
	Preflight bool
	// Credentials tells that cookies, HTTP authentication and client certificates go along.
	Credentials bool
}

// Origin is the value of the request's Origin header, or "".
func (r *Request) Origin() string {
	v, _ := get(r.Headers, "origin")
	return v
}

// Response is an answer from the network.
type Response struct {
	Status  int
	Headers []Field
}

// Network answers a request. An error is a failed connection.
type Network func(*Request) (*Response, error)

// ResponseType is how much of a response a page sees (Fetch, "Responses").
type ResponseType string

// The types. An Opaque response is there, and nothing of it can be read.
const (
	Basic          ResponseType = "basic"
	CORS           ResponseType = "cors"
	Opaque         ResponseType = "opaque"
	OpaqueRedirect ResponseType = "opaqueredirect"
	NetworkError   ResponseType = "error"
)

// Exchange is a request and its answer; Response is nil when the network failed.
type Exchange struct {
	Request  *Request
	Response *Response
	// Why has the reasons for a preflight, one by one; for a request across origins without one, why it needs none.
	Why []string
}

// Step is one decision on the way.
type Step struct {
	// Rule is the algorithm of the Fetch standard and the step in it, such as "CORS check, step 4".
	Rule string
	// Text says what was decided and why, in one sentence.
	Text string
}

// Result is what becomes of a call.
type Result struct {
	// Type tells what the page gets; NetworkError means that the promise is rejected, and Failure tells why.
	Type    ResponseType
	Failure *Failure
	// Status and Headers are what the page can read; names in lower case, values of equal names joined.
	Status  int
	Headers []Field
	// Exchanges are all requests that went out, in order, preflights among them.
	Exchanges []Exchange
	// Steps are the decisions, in order.
	Steps []Step
}

// OK tells that the promise is fulfilled: the page has a response, readable or opaque.
func (r *Result) OK() bool { return r.Failure == nil }

// Profile chooses between the text of the standard and what browsers do.
type Profile int

const (
	// Spec is the Fetch standard to the letter.
	Spec Profile = iota
	// Today is what browsers do today, measured on Chrome 147: `*` in Access-Control-Allow-Headers covers Authorization,
	// a negative Access-Control-Max-Age is taken as 0, and no permission is kept for more than two hours.
	Today
)

func (p Profile) String() string {
	if p == Today {
		return "browser"
	}
	return "spec"
}
