package envoyfilter

import (
	"slices"

	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"
)

// edit does an operation on a list of filters. named says that the patch names
// one of the list, matches which one that is. Where nothing is named, "before"
// is the beginning and "after" the end; REPLACE and REMOVE do nothing then.
func edit[E interface {
	comparable
	proto.Message
}](a *applier, p *patch, list []E, named bool, matches func(E) bool) []E {
	value := func() E {
		a.apply(p)
		return proto.Clone(p.value).(E)
	}
	at := slices.IndexFunc(list, matches)
	switch p.op {
	case networking.EnvoyFilter_Patch_ADD:
		return append(list, value())
	case networking.EnvoyFilter_Patch_INSERT_FIRST:
		return slices.Insert(list, 0, value())
	case networking.EnvoyFilter_Patch_INSERT_BEFORE:
		if !named {
			return slices.Insert(list, 0, value())
		}
		if at >= 0 {
			return slices.Insert(list, at, value())
		}
	case networking.EnvoyFilter_Patch_INSERT_AFTER:
		if !named {
			return append(list, value())
		}
		if at >= 0 {
			return slices.Insert(list, at+1, value())
		}
	case networking.EnvoyFilter_Patch_REPLACE:
		if named && at >= 0 {
			list[at] = value()
		}
	case networking.EnvoyFilter_Patch_REMOVE:
		if named && at >= 0 {
			a.apply(p)
			return slices.DeleteFunc(list, matches)
		}
	}
	return list
}
