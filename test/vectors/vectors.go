package vectors

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/crossgate/crossgate/internal/fetch"
)

var (
	//go:embed vectors.json
	vectorsJSON []byte
	//go:embed chrome-errors.json
	chromeJSON []byte
)

// Origins are what the placeholders of the vectors stand for: the page's origin, that of the service, and a third one for
// redirects.
type Origins struct{ Page, Target, Target2 string }

// Recorded are the origins of Chrome's recorded errors.
var Recorded = Origins{Page: "http://localhost:45749", Target: "http://127.0.0.1:46639", Target2: "http://127.0.0.1:46640"}

// fill puts the origins in the place of placeholders.
func (o Origins) fill(s string) string {
	return strings.NewReplacer(
		"${ORIGIN_UPPER}", "HTTP"+strings.TrimPrefix(o.Page, "http"),
		"${ORIGIN}", o.Page,
		"${HOST}", strings.TrimPrefix(o.Page, "http://"),
		"${TARGET}", o.Target,
		"${TARGET2}", o.Target2,
		"${PAGE_URL}", o.Page+"/page",
	).Replace(s)
}

// Vector is one case.
type Vector struct {
	ID      string
	Request struct {
		Method, Credentials string
		Headers             [][2]string
	}
	Preflight, Actual *Answer
	Redirect          *Redirect
	Expect            Expect
}

// Answer is what the service says.
type Answer struct {
	Status  int
	Headers [][2]string
}

// Redirect is a request that the first place sends on to the second: local (the page's origin), remote or remote2. A nil
// text is an answer without Access-Control-Allow-Origin.
type Redirect struct {
	First, Second         string
	FirstAcao, SecondAcao *string
}

// Expect is the verdict of the standard. A nil value of Visible is a header that the page must not read.
type Expect struct {
	OK          bool
	Preflight   *bool
	Visible     map[string]*string
	FinalOrigin string
}

// ChromeError is what Chrome 147 reported for a vector.
type ChromeError struct {
	CorsError      fetch.Code
	Param, Console string
}

// Read reads VECTORS=FILE, or the cases of the repository.
func Read() ([]*Vector, error) {
	var file struct{ Vectors []*Vector }
	if err := read("VECTORS", vectorsJSON, &file); err != nil {
		return nil, err
	}
	if len(file.Vectors) == 0 {
		return nil, errors.New("no vectors")
	}
	return file.Vectors, nil
}

// ReadChrome reads CHROME_ERRORS=FILE, or the errors of the repository, by the ID of the vector.
func ReadChrome() (map[string]ChromeError, error) {
	var errs map[string]ChromeError
	return errs, read("CHROME_ERRORS", chromeJSON, &errs)
}

func read(variable string, otherwise []byte, to any) error {
	data, name := otherwise, cmp.Or(os.Getenv(variable), "the repository's file")
	if file := os.Getenv(variable); file != "" {
		var err error
		if data, err = os.ReadFile(file); err != nil {
			return err
		}
	}
	if err := json.Unmarshal(data, to); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Call is the vector's call of fetch. Path names it on the service, with a slash before it.
func (v *Vector) Call(o Origins, path string) fetch.Call {
	c := fetch.Call{Page: o.Page, URL: o.Target + path, Method: v.Request.Method, Credentials: fetch.Credentials(v.Request.Credentials)}
	if v.Redirect != nil {
		c.URL = o.place(v.Redirect.First) + path
	}
	for _, h := range v.Request.Headers {
		c.Headers = append(c.Headers, fetch.Field{Name: h[0], Value: o.fill(h[1])})
	}
	return c
}

func (o Origins) place(name string) string {
	switch name {
	case "local":
		return o.Page
	case "remote2":
		return o.Target2
	}
	return o.Target
}

// Answer is what the service says to a request of the call that Call made with the same path. Redirects lead to the path
// with "/to" after it.
func (v *Vector) Answer(o Origins, path string, preflight bool, requestPath string) *fetch.Response {
	if v.Redirect == nil {
		if preflight {
			return v.Preflight.response(o)
		}
		return v.Actual.response(o)
	}
	answer, allowed := &Answer{Status: 302, Headers: [][2]string{{"Location", o.place(v.Redirect.Second) + path + "/to"}}}, v.Redirect.FirstAcao
	if requestPath != path {
		answer, allowed = &Answer{Status: 200}, v.Redirect.SecondAcao
	}
	if allowed != nil {
		answer.Headers = append(answer.Headers, [2]string{"Access-Control-Allow-Origin", *allowed})
	}
	return answer.response(o)
}

// response is the answer with its placeholders filled. A vector without an answer does not expect the request.
func (a *Answer) response(o Origins) *fetch.Response {
	if a == nil {
		return &fetch.Response{Status: 200}
	}
	r := &fetch.Response{Status: a.Status}
	for _, h := range a.Headers {
		r.Headers = append(r.Headers, fetch.Field{Name: h[0], Value: o.fill(h[1])})
	}
	return r
}
