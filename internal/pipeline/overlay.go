package pipeline

import (
	"slices"

	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/source"
)

// overlay remembers the last good version of every object, and which file it
// came from. The zero value remembers nothing: at the start a bad object is
// absent.
type overlay struct {
	held map[resource.Key]held
}

// held is an object that is in use.
type held struct {
	*resource.Resource
	file string
}

// apply returns the objects to use now, in the order in which they count, and
// the keys of those that are not what the input says but their last good
// version. For every key holds, the first that applies:
//
//   - a file has a good object: that one (the first, if several have);
//   - a file names it and has it wrong, or the file that it came from is there
//     and cannot be told apart into objects: the last good version, if any;
//   - none: the input does not have it.
//
// An object that moves between files in one change is thus neither lost nor
// there twice, in whatever state its old file is.
func (o *overlay) apply(u *source.Update) (rs []*resource.Resource, kept []resource.Key) {
	next := make(map[resource.Key]held, len(o.held))
	for _, f := range u.Files {
		for _, r := range f.Resources {
			rs = append(rs, r) // also one that is there twice: NewSet reports it
			if _, ok := next[r.Key]; !ok {
				next[r.Key] = held{r, f.Path}
			}
		}
	}
	keep := func(key resource.Key, file string) {
		old, had := o.held[key]
		if _, ok := next[key]; ok || !had {
			return
		}
		next[key] = held{old.Resource, file}
		rs = append(rs, old.Resource)
		kept = append(kept, key)
	}
	for _, f := range u.Files {
		for _, key := range f.Bad {
			keep(key, f.Path)
		}
	}
	broken := make(map[string]bool)
	for _, f := range u.Files {
		if f.Broken {
			broken[f.Path] = true
		}
	}
	for _, key := range o.keysOf(broken) {
		keep(key, o.held[key].file)
	}
	o.held = next
	return rs, kept
}

// keysOf returns the sorted keys of the objects that came from the files.
func (o *overlay) keysOf(files map[string]bool) []resource.Key {
	var keys []resource.Key
	for key, h := range o.held {
		if files[h.file] {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, compareKeys)
	return keys
}
