package check

import (
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

// Pass is one run of a check.
type Pass struct {
	Set     *resource.Set
	Options Options
	Report  func(diag.Diagnostic)
}

// Options are the user's choices that checks obey.
type Options struct {
	// AllowUnenforced makes warnings of the errors about what is not enforced.
	AllowUnenforced bool
}

// Run applies the whole suite and returns the sorted findings.
func Run(set *resource.Set, o Options) diag.List {
	return nil
}
