package advise

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/engine"
	"github.com/crossgate/crossgate/internal/fetch"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/xds"
)

// Input is the configuration that decides.
type Input struct {
	Snapshot *xds.Snapshot
	Ports    xds.Ports
	// Positions tell where resources were written, by the keys of Snapshot.Origins; nil if those tell.
	Positions map[string]string
	// Set are the objects that the snapshot was made of, and Rebuild makes the snapshot of others. Without them, as for a running
	// instance, lines are known as far as the snapshot has them, and no change is tried.
	Set     *resource.Set
	Rebuild func(*resource.Set) *xds.Snapshot
	// ProtocolErrors tells how many connections of a running instance ended because the service at their other end did not speak
	// what it should, by the name of the cluster in statistics; nil if no instance is asked.
	ProtocolErrors func(cluster string) (uint64, error)
}

// Explanation is what becomes of a browser's call, and why.
type Explanation struct {
	Page        string   `json:"page"`
	Method      string   `json:"method"`
	URL         string   `json:"url"`
	Credentials string   `json:"credentials"`
	Notes       []string `json:"notes,omitempty"`
	// Literal is the answer to the very request of a curl line.
	Literal *Literal `json:"literal,omitempty"`
	// Hops are the requests that a browser of today sends, in order.
	Hops []Hop `json:"hops"`
	// Verdicts are those of the standard and of the browsers of today.
	Verdicts []Verdict `json:"verdicts"`
	// Because is the line that decides, and what it says.
	Because *Because `json:"because,omitempty"`
	// Change is what would allow a call that is blocked; nil if it is allowed or no change of a CORS policy helps.
	Change *Change `json:"change,omitempty"`
}

// Allowed tells that the browsers of today give the page its answer.
func (e *Explanation) Allowed() bool { return e.Verdicts[len(e.Verdicts)-1].Allowed }

// Literal is a request as it stands, and its answer.
type Literal struct {
	Hop Hop `json:"hop"`
	// NoPreflight are the reasons why it is none; empty if it is one.
	NoPreflight []string `json:"noPreflight,omitempty"`
}

// Verdict is what a browser makes of the answers.
type Verdict struct {
	Profile string `json:"profile"`
	Allowed bool   `json:"allowed"`
	// Type, Status and Readable are of the response that the page gets.
	Type     string   `json:"type,omitempty"`
	Status   int      `json:"status,omitempty"`
	Readable []string `json:"readable,omitempty"`
	// Reason, Rule, Code and Console say why there is none: in words, in the standard, in Chrome.
	Reason  string `json:"reason,omitempty"`
	Rule    string `json:"rule,omitempty"`
	Code    string `json:"code,omitempty"`
	Console string `json:"console,omitempty"`
	// Steps are all decisions.
	Steps []Step `json:"steps"`
}

// Step is a decision of the browser.
type Step struct {
	Rule string `json:"rule"`
	Text string `json:"text"`
}

// Explain plays the call against the configuration.
func Explain(in Input, ask *Ask) (*Explanation, error) {
	p, err := play(in, ask.Call)
	if err != nil {
		return nil, err
	}
	c := ask.Call
	out := &Explanation{
		Page: c.Page, Method: c.Method, URL: c.URL, Credentials: string(c.Credentials), Notes: ask.Notes, Hops: p.hops, Verdicts: p.verdicts,
	}
	if out.Method == "" {
		out.Method = "GET"
	}
	if out.Credentials == "" {
		out.Credentials = string(fetch.SameOrigin)
	}
	if ask.Literal != nil {
		if out.Literal, err = literally(in, ask.Literal); err != nil {
			return nil, err
		}
		hops := []Hop{out.Literal.Hop}
		if err := in.services(hops, []*fetch.Request{ask.Literal}); err != nil {
			return nil, err
		}
		out.Literal.Hop = hops[0]
	}
	if err := in.services(out.Hops, p.requests); err != nil {
		return nil, err
	}
	out.Because = p.because(in)
	if out.Allowed() {
		return out, nil
	}
	if in.Rebuild == nil {
		out.Notes = append(slices.Clip(out.Notes), "a change is tried on files only: give them in the place of the instance")
		return out, nil
	}
	out.Change, err = change(in, ask.Call, p)
	return out, err
}

func literally(in Input, r *fetch.Request) (*Literal, error) {
	g, _, err := newGateway(in.Snapshot, in.Ports, false)
	if err != nil {
		return nil, err
	}
	response, trace, err := g.ask(r)
	out := &Literal{Hop: in.hop(r, response, trace, err), NoPreflight: NoPreflight(r)}
	return out, g.close()
}

// played is one call, as the browsers saw it.
type played struct {
	call     fetch.Call
	hops     []Hop
	requests []*fetch.Request // of the hops
	verdicts []Verdict
	last     *fetch.Result // of a browser of today
}

// play plays the call by the standard and for a browser of today.
func play(in Input, call fetch.Call) (*played, error) {
	g, _, err := newGateway(in.Snapshot, in.Ports, false)
	if err != nil {
		return nil, err
	}
	p := &played{call: call}
	for _, profile := range []fetch.Profile{fetch.Spec, fetch.Today} {
		p.hops, p.requests = nil, nil
		browser := fetch.Browser{Profile: profile, Now: time.Now}
		p.last = browser.Fetch(call, func(r *fetch.Request) (*fetch.Response, error) {
			response, trace, err := g.ask(r)
			p.hops, p.requests = append(p.hops, in.hop(r, response, trace, err)), append(p.requests, r)
			return response, err
		})
		for i, x := range p.last.Exchanges {
			p.hops[i].Why = x.Why
		}
		p.verdicts = append(p.verdicts, verdict(profile, p.last))
	}
	return p, g.close()
}

func verdict(profile fetch.Profile, r *fetch.Result) Verdict {
	v := Verdict{Profile: profile.String(), Allowed: r.OK(), Type: string(r.Type), Status: r.Status}
	for _, h := range r.Headers {
		v.Readable = append(v.Readable, h.Name)
	}
	slices.Sort(v.Readable)
	if f := r.Failure; f != nil {
		v.Reason, v.Rule, v.Code, v.Console = f.Text, f.Rule, string(f.Code), f.Console
	}
	for _, s := range r.Steps {
		v.Steps = append(v.Steps, Step(s))
	}
	return v
}

// Hop is a request and what the gateway did with it.
type Hop struct {
	Preflight bool   `json:"preflight"`
	Request   string `json:"request"` // METHOD URL
	// Why has the reasons for a preflight, or why a request across origins needs none.
	Why     []string `json:"why,omitempty"`
	Headers []string `json:"headers"` // those of the request that matter here
	// Error is why there is no answer.
	Error string `json:"error,omitempty"`

	Listener    string   `json:"listener,omitempty"`
	VirtualHost string   `json:"virtualHost,omitempty"`
	Route       *Route   `json:"route,omitempty"` // nil: none matches
	Missed      []Missed `json:"missed,omitempty"`
	Cluster     string   `json:"cluster,omitempty"`
	// Service is what the service has to speak, or why there is none; nil for HTTP/1.1, which all do, and for other answers of the
	// gateway.
	Service *Service `json:"service,omitempty"`

	Status  int      `json:"status,omitempty"`
	Local   bool     `json:"local"` // the gateway's own answer
	Details string   `json:"details,omitempty"`
	Flags   string   `json:"flags,omitempty"`
	Answer  []string `json:"answer,omitempty"` // the headers of the answer that matter here

	// Sent are all headers of the request.
	Sent []fetch.Field `json:"-"`

	trace *engine.Trace
}

// Route is where a request went.
type Route struct {
	Name string `json:"name,omitempty"`
	// Position is where it was written, Policy where its CORS policy was; empty if it has none.
	Position string `json:"position,omitempty"`
	Policy   string `json:"policy,omitempty"`
	// Allows is what that policy says, field by field.
	Allows []string `json:"allows,omitempty"`
	// Reason is why the gateway refuses what takes this route: deny-origin and the like.
	Reason string `json:"reason,omitempty"`
}

// Missed is a route that was asked before.
type Missed struct {
	Route
	Why string `json:"why"`
}

// hop describes a request that was answered, or not.
func (in Input) hop(r *fetch.Request, response *fetch.Response, t *engine.Trace, err error) Hop {
	h := Hop{Preflight: r.Preflight, Request: r.Method + " " + r.URL, Headers: matters(r.Headers), Sent: r.Headers, trace: t}
	if err != nil {
		h.Error = err.Error()
	}
	if response != nil {
		h.Status, h.Answer = response.Status, matters(response.Headers)
	}
	if t == nil {
		return h
	}
	h.Listener, h.VirtualHost, h.Cluster, h.Local, h.Details, h.Flags = t.Listener, t.VirtualHost, t.Cluster, t.Local, t.Details, t.Flags
	if t.Route >= 0 {
		if r := in.route(t, t.Route); r.Reason == reasonNotFound {
			h.Cluster = ""
		} else {
			r.Allows = in.allows(t, &r)
			h.Route = &r
		}
	}
	for _, m := range t.Missed {
		// Routes that the profile made have refused nothing; the user's own come behind them.
		if r := in.route(t, m.Route); r.Reason == "" {
			h.Missed = append(h.Missed, Missed{r, missedText(m)})
		}
	}
	return h
}

// reasonNotFound marks the route of the profile hardened for requests that no other one takes.
const reasonNotFound = "not-found"

// matters picks the headers that decide or are decided here.
func matters(list []fetch.Field) (out []string) {
	for _, f := range list {
		switch name := strings.ToLower(f.Name); {
		case strings.HasPrefix(name, "access-control-"), name == "origin", name == "vary", name == "location", name == "authorization", name == "content-type":
			value := f.Value
			if name == "authorization" {
				value = "…"
			}
			out = append(out, name+": "+value)
		}
	}
	slices.Sort(out)
	return out
}

func missedText(m engine.Miss) string {
	switch {
	case m.Name == "":
		return "the " + string(m.Why) + " does not match"
	case m.There:
		return fmt.Sprintf("the %s %s does not match", m.Why, m.Name)
	}
	return fmt.Sprintf("the %s %s is missing or does not match", m.Why, m.Name)
}

// hostOf is the authority of a hop.
func (h *Hop) hostOf() string {
	_, address, _ := strings.Cut(h.Request, " ")
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Scheme + "://" + u.Host
}

// Because is the line that decides.
type Because struct {
	Position string `json:"position,omitempty"`
	Text     string `json:"text"`
}

// position is where the resource with the key was written.
func (in Input) position(key string) string {
	if in.Positions != nil {
		return in.Positions[key]
	}
	return position(in.Snapshot.Origins[key])
}

func position(p diag.Pos) string {
	if p == (diag.Pos{}) {
		return ""
	}
	return p.String()
}
