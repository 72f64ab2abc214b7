package source

import (
	"context"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// Source emits the state of an input: once at the start, then after each change.
type Source interface {
	// Run calls emit, never concurrently, until ctx ends, and returns nil then.
	// An input that is wrong is not an error of Run: it is in the update.
	Run(ctx context.Context, emit func(*Update)) error
}

// Update is the full state of a source. It is immutable; files that did not
// change since the last update are the same pointers.
type Update struct {
	// Files in the order in which their objects count: the paths as given,
	// inside a directory by name.
	Files []*resource.File
	// Diags are about paths that give no file: missing, unreadable, not watched.
	Diags diag.List
}

// Resources returns the good objects of all files, in order.
func (u *Update) Resources() []*resource.Resource {
	n := 0
	for _, f := range u.Files {
		n += len(f.Resources)
	}
	rs := make([]*resource.Resource, 0, n)
	for _, f := range u.Files {
		rs = append(rs, f.Resources...)
	}
	return rs
}

// Diagnostics returns what is wrong with the paths and with all files.
func (u *Update) Diagnostics() diag.List {
	l := append(diag.List(nil), u.Diags...)
	for _, f := range u.Files {
		l = append(l, f.Diags...)
	}
	return l
}
