package resource

import "github.com/crossgate/crossgate/internal/diag"

// File is what one input file holds.
type File struct {
	// Path as given to ParseFile, which is the file of all positions.
	Path string
	// Resources are the good objects in the order of the file.
	Resources []*Resource
	// Bad are the objects that the file names and that cannot be used as they
	// are written; Diags has at least one error for each.
	Bad []Key
	// Broken says that the file could not be read, or that a part of it could
	// not be told apart into objects: an object that is neither in Resources
	// nor in Bad may still be meant to be there.
	Broken bool
	// MayGuard says that something in the file is not usable (Bad, Broken) and
	// that the file names kinds that keep requests out: what protects may be
	// among what is missing.
	MayGuard bool
	Diags    diag.List
}

// ParseOptions are the choices of a source.
type ParseOptions struct {
	// DefaultNamespace is given to namespaced objects without one; "default"
	// when empty.
	DefaultNamespace string
}

// Parse returns the good objects of one file's bytes (YAML or JSON, many
// documents, kind List) and all that is wrong with the others. It is ParseFile
// for callers that do not keep last good versions.
func Parse(file string, data []byte, o ParseOptions) ([]*Resource, diag.List) {
	f := ParseFile(file, data, o)
	return f.Resources, f.Diags
}
