package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/crossgate/crossgate/internal/advise"
)

// explanationText writes an explanation for people.
type explanationText struct {
	strings.Builder
	color bool
}

func writeExplanation(w io.Writer, e *advise.Explanation, steps, color bool) error {
	t := &explanationText{color: color}
	t.call(e)
	if e.Literal != nil {
		t.literal(e.Literal)
	}
	for i := range e.Hops {
		h := &e.Hops[i]
		kind := "Request"
		if h.Preflight {
			kind = "Preflight"
		}
		t.title("%d. %s  %s", i+1, kind, h.Request)
		t.hop(h)
	}
	t.verdicts(e, steps)
	t.because(e)
	_, err := io.WriteString(w, t.String())
	return err
}

func (t *explanationText) line(format string, args ...any) {
	fmt.Fprintf(t, "   "+format+"\n", args...)
}

// field is a line with a name, and more lines of the same.
func (t *explanationText) field(name string, values ...string) {
	for _, v := range values {
		if v != "" {
			t.line("%-9s%s", name, v)
			name = ""
		}
	}
}

func (t *explanationText) title(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if t.color {
		text = "\x1b[1m" + text + "\x1b[0m"
	}
	fmt.Fprintf(t, "\n%s\n", text)
}

func (t *explanationText) call(e *advise.Explanation) {
	fmt.Fprintf(t, "A page of %s asks: %s %s, credentials: %s\n", e.Page, e.Method, e.URL, e.Credentials)
	for _, n := range e.Notes {
		fmt.Fprintf(t, "Note: %s.\n", n)
	}
}

func (t *explanationText) literal(l *advise.Literal) {
	t.title("As curl sends it  %s", l.Hop.Request)
	if len(l.NoPreflight) == 0 {
		t.line("This is a preflight; what follows is the request that it asks for.")
	} else {
		t.line("This is no preflight: %s.", strings.Join(l.NoPreflight, "; "))
	}
	t.hop(&l.Hop)
}

func (t *explanationText) hop(h *advise.Hop) {
	t.field("why", h.Why...)
	t.field("sends", h.Headers...)
	if h.Error != "" {
		t.field("gateway", "no answer: "+h.Error)
		return
	}
	where := []string{"listener " + h.Listener}
	if h.VirtualHost != "" {
		where = append(where, "host "+h.VirtualHost)
	}
	if h.Cluster != "" {
		where = append(where, "to "+h.Cluster)
	}
	t.field("gateway", strings.Join(where, ", "))
	for _, m := range h.Missed {
		t.field("not", routeText(&m.Route)+": "+m.Why)
	}
	switch {
	case h.Route != nil:
		t.field("route", routeText(h.Route))
		t.field("policy", append([]string{h.Route.Policy}, h.Route.Allows...)...)
	case h.VirtualHost == "":
		t.field("route", "none: no host matches")
	default:
		t.field("route", "none matches")
	}
	t.service(h.Service)
	by := "the service"
	if h.Local {
		by = "the gateway (" + h.Details + ")"
	}
	t.field("answer", append([]string{fmt.Sprintf("%d from %s", h.Status, by)}, h.Answer...)...)
}

// service says what the service has to speak, or why there is none.
func (t *explanationText) service(s *advise.Service) {
	if s == nil {
		return
	}
	first := "is spoken to in " + s.Protocol + " without being asked"
	if s.Protocol == "" {
		first = "has no address that a gateway knows"
	}
	if s.Position != "" {
		first += ": " + s.Position
	}
	if s.Setting != "" {
		first += " (" + s.Setting + ")"
	}
	var more []string
	if e := s.HTTP1; e != nil {
		more = append(more, fmt.Sprintf("if it speaks HTTP/1.1 alone, this is %d from the gateway (%s, flags %s)", e.Status, e.Details, e.Flags))
	}
	if n := s.ProtocolErrors; n > 0 {
		more = append(more, fmt.Sprintf("it does not speak %s: so far %d connections of the instance ended for that", s.Protocol, n))
	}
	t.field("service", append([]string{first}, more...)...)
}

func routeText(r *advise.Route) string {
	var parts []string
	for _, s := range []string{r.Name, r.Position} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if r.Reason != "" {
		parts = append(parts, "("+r.Reason+")")
	}
	return strings.Join(parts, " ")
}

func (t *explanationText) verdicts(e *advise.Explanation, steps bool) {
	t.title("What the page gets")
	for _, v := range e.Verdicts {
		name := map[string]string{"spec": "standard", "browser": "browsers"}[v.Profile]
		if v.Allowed {
			text := fmt.Sprintf("status %d, %s", v.Status, v.Type)
			if len(v.Readable) > 0 {
				text += ", readable headers: " + strings.Join(v.Readable, ", ")
			}
			t.field(name, t.mark(true)+text)
		} else {
			t.field(name, t.mark(false)+v.Reason, "("+v.Rule+")")
		}
		if steps {
			for _, s := range v.Steps {
				t.line("  - %s: %s", s.Rule, s.Text)
			}
		}
	}
	if last := e.Verdicts[len(e.Verdicts)-1]; last.Console != "" {
		t.field("Chrome", last.Code, last.Console)
	}
}

func (t *explanationText) mark(allowed bool) string {
	text, color := "blocked: ", "\x1b[31m"
	if allowed {
		text, color = "allowed: ", "\x1b[32m"
	}
	if t.color {
		return color + text + "\x1b[0m"
	}
	return text
}

func (t *explanationText) because(e *advise.Explanation) {
	if b := e.Because; b != nil {
		t.title("Because")
		if b.Position != "" {
			t.line("%s: %s", b.Position, b.Text)
		} else {
			t.line("%s", b.Text)
		}
	}
	c := e.Change
	if c == nil {
		return
	}
	t.title("To allow it")
	for _, edit := range c.Edits {
		at := edit.Position
		if at != "" {
			at += ": "
		}
		t.line("%s%s of %s: add %s", at, edit.Field, edit.Object, edit.Add)
	}
	if c.Safe {
		t.line("This is safe: it lets in nobody else.")
	}
	for _, w := range c.Warnings {
		t.line("Not safe: %s.", w)
	}
}
