package advise

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	whatwg "github.com/nlnwa/whatwg-url/url"

	"github.com/crossgate/crossgate/internal/fetch"
)

// Ask is a browser's call about which something is to be known.
type Ask struct {
	Call fetch.Call
	// Literal is the very request that a curl line sends; nil if the input was no curl line. A browser would send Call, which
	// may be another one.
	Literal *fetch.Request
	// implied is the content type that the body brings along if no header names one.
	implied string
	// Notes say what of the input could not be taken as it is, and what was taken instead.
	Notes []string
}

func (a *Ask) note(format string, args ...any) {
	a.Notes = append(a.Notes, fmt.Sprintf(format, args...))
}

// placeholder stands for values that only the running page knows.
const placeholder = "placeholder"

func header(list []fetch.Field, name string) (string, bool) {
	i := slices.IndexFunc(list, func(f fetch.Field) bool { return strings.EqualFold(f.Name, name) })
	if i < 0 {
		return "", false
	}
	return list[i].Value, true
}

// Complete resolves a relative URL against the page's origin, and checks what a call must have.
func (a *Ask) Complete() error {
	c := &a.Call
	if _, ok := header(c.Headers, "content-type"); !ok && a.implied != "" {
		c.Headers = append(c.Headers, fetch.Field{Name: "content-type", Value: a.implied})
	}
	if c.URL == "" {
		return errors.New("no URL: what does the page ask for?")
	}
	if c.Page == "" {
		return errors.New("no origin: on which page does the call stand?")
	}
	if c.Page != "null" {
		origin, err := OriginOf(c.Page)
		if err != nil {
			return err
		}
		c.Page = origin
		u, err := whatwg.ParseRef(origin+"/", c.URL)
		if err != nil {
			return fmt.Errorf("the URL %q: %w", c.URL, err)
		}
		c.URL = u.Href(false)
	}
	if u, err := url.Parse(c.URL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("the URL %q has to begin with http:// or https://", c.URL)
	}
	return nil
}

// OriginOf is the origin of a page's URL, or of an origin that is written as no browser would send it: with a path, a default
// port or capitals.
func OriginOf(page string) (string, error) {
	u, err := whatwg.Parse(page)
	if err != nil || u.Host() == "" {
		return "", fmt.Errorf("the origin %q is no URL such as https://app.example.com", page)
	}
	return u.Protocol() + "//" + u.Host(), nil
}
