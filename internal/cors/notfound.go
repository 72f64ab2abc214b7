package cors

import (
	"slices"
	"strconv"
	"strings"

	"github.com/crossgate/crossgate/internal/origin"
)

// notFound is the route for what no other takes: 404, for a page of any origin that
// the host has a policy for. Nil if the host has none, or if nothing is left.
func (h *Host) notFound() *Route {
	out := &Route{Path: origin.Pattern{Kind: origin.Prefix, Text: "/"}, Status: 404, Settings: Settings{Level: Headers, Without: AllRules}}
	var all Policy
	var methods, headers, expose union
	any := false
	for _, r := range h.Routes {
		p := r.Policy
		if p == nil || !p.safe(r.Settings) {
			continue
		}
		any = true
		all.Origins = append(all.Origins, p.Origins...)
		all.Credentials = all.Credentials || p.Credentials
		if m, every := p.items(p.Methods); len(m) == 0 && !every {
			methods.add([]string{"GET", "HEAD", "POST"}, false)
		} else {
			methods.add(m, every)
		}
		headers.add(p.items(p.Headers))
		e, _ := p.items(p.Expose)
		expose.add(e, false)
		all.MaxAge = shorter(all.MaxAge, p.MaxAge)
		out.Settings.Without &= r.Settings.Without
		if !p.Forward && r.Settings.Level > out.Settings.Level {
			out.Settings.Level = r.Settings.Level
		}
	}
	if !any || !out.Settings.Has(ErrorHeaders) {
		return nil
	}
	all.Methods, all.Headers, all.Expose = methods.text(), headers.text(), expose.text()
	if !all.safe(out.Settings) {
		all.Credentials = false
	}
	out.Policy = &all
	return out
}

// union collects names in the order in which they come first.
type union struct {
	names []string
	all   bool
}

func (u *union) add(names []string, all bool) {
	for _, n := range names {
		if !slices.Contains(u.names, n) {
			u.names = append(u.names, n)
		}
	}
	u.all = u.all || all
}

func (u *union) text() string {
	if u.all {
		return "*"
	}
	return strings.Join(u.names, ",")
}

// shorter is the smaller of two times in seconds, or the one that is a number.
func shorter(a, b string) string {
	x, errX := strconv.Atoi(a)
	y, errY := strconv.Atoi(b)
	if errY == nil && (errX != nil || y < x) {
		return b
	}
	return a
}
