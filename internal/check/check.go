package check

import (
	"fmt"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// Check is one rule about a set of objects.
type Check struct {
	// Name is the word users see: lower case, hyphens.
	Name string
	// Code of the diagnostics that it reports.
	Code string
	// Doc says in a sentence or two what is found and what to do about it.
	Doc string
	Run func(*Pass)
}

// Options are the user's choices that checks obey.
type Options struct {
	// AllowUnenforced makes warnings of the errors about protection that is
	// asked for and not there.
	AllowUnenforced bool
	// SynthesizeGateways says that Gateways which are missing are made up.
	SynthesizeGateways bool
	// Services are those whose endpoints the user gives by hand: full names,
	// name.namespace, or bare names.
	Services []string
}

// Pass is one run of one check.
type Pass struct {
	Set     *resource.Set
	Options Options
	check   *Check
	diags   *diag.List
	shared  *shared
}

// Report adds a finding about a field of an object; an empty path stands for the
// object as a whole.
func (p *Pass) Report(r *resource.Resource, path string, s diag.Severity, format string, args ...any) {
	*p.diags = append(*p.diags, diag.Diagnostic{
		Pos:      r.Position(path),
		Severity: s,
		Code:     p.check.Code,
		Object:   r.Key.String(),
		Path:     path,
		Message:  fmt.Sprintf(format, args...),
	})
}

// ReportBeside is Report with a second place that the finding speaks of.
func (p *Pass) ReportBeside(r *resource.Resource, path string, beside diag.Related, s diag.Severity, format string, args ...any) {
	p.Report(r, path, s, format, args...)
	d := p.last()
	d.Related = append(d.Related, beside)
}

// Run applies the whole suite and returns the findings, sorted.
func Run(set *resource.Set, o Options) diag.List {
	var l diag.List
	s := new(shared)
	for _, c := range Suite() {
		l = append(l, c.run(set, o, s)...)
	}
	l.Sort()
	return l
}

func (c *Check) run(set *resource.Set, o Options, s *shared) diag.List {
	var l diag.List
	c.Run(&Pass{Set: set, Options: o, check: c, diags: &l, shared: s})
	return l
}

// last is the finding that was reported last.
func (p *Pass) last() *diag.Diagnostic { return &(*p.diags)[len(*p.diags)-1] }
