package advise

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/crossgate/crossgate/internal/fetch"
)

// har is what is read of a HAR file (HTTP Archive 1.2).
type har struct {
	Log struct {
		Entries []harEntry `json:"entries"`
	} `json:"log"`
}

type harEntry struct {
	Request struct {
		Method  string     `json:"method"`
		URL     string     `json:"url"`
		Headers []harField `json:"headers"`
		Cookies []harField `json:"cookies"`
	} `json:"request"`
}

type harField struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// ReadHAR reads the first request across origins that is no preflight, of those whose URL contains the text; a preflight, if
// there is only that, since a browser that refuses it sends nothing else.
func ReadHAR(data []byte, urlContains string) (*Ask, error) {
	var file har
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("this is no HAR file: %w", err)
	}
	if len(file.Log.Entries) == 0 {
		return nil, errors.New("the HAR file holds no requests")
	}
	var preflight *fetch.Request
	for _, e := range file.Log.Entries {
		r := e.request()
		if !strings.Contains(r.URL, urlContains) || r.Origin() == "" {
			continue
		}
		if u, err := OriginOf(r.URL); err != nil || u == r.Origin() {
			continue
		}
		if len(NoPreflight(r)) > 0 {
			return e.ask(r), nil
		}
		if preflight == nil {
			preflight = r
		}
	}
	if preflight == nil {
		return nil, fmt.Errorf("none of the %d requests in the HAR file goes to another origin and has %q in its URL", len(file.Log.Entries), urlContains)
	}
	a := &Ask{}
	a.note("the HAR file has only the preflight of %s; whether credentials go along is not in it", preflight.URL)
	a.fromRequest(preflight)
	return a, nil
}

func (e *harEntry) request() *fetch.Request {
	r := &fetch.Request{Method: e.Request.Method, URL: e.Request.URL}
	for _, h := range e.Request.Headers {
		r.Headers = append(r.Headers, fetch.Field(h))
	}
	return r
}

func (e *harEntry) ask(r *fetch.Request) *Ask {
	a := &Ask{}
	_, cookie := header(r.Headers, "cookie")
	if cookie || len(e.Request.Cookies) > 0 {
		a.Call.Credentials = fetch.Include
	} else {
		a.note("%s was sent without cookies; that the page asked for none is taken from that", r.URL)
	}
	a.fromRequest(r)
	return a
}
