package engine

import (
	"hash/maphash"
	"math/rand/v2"
	"sync/atomic"
)

// recentOrigins are the verdicts on the origins that were tried last. They are few
// enough to be of no use to who wants memory, and which of them make way for others
// cannot be told from outside.
type recentOrigins struct {
	seed maphash.Seed
	sets atomic.Pointer[recentSets] // nil until there is something to keep
}

// A set has the origins of some hashes.
type recentSets [256][4]atomic.Pointer[recentOrigin]

type recentOrigin struct {
	origin  string
	allowed bool
}

// maxRecentOrigin is the length of the longest origin that is kept.
const maxRecentOrigin = 256

func newRecentOrigins() *recentOrigins {
	return &recentOrigins{seed: maphash.MakeSeed()}
}

func (r *recentOrigins) find(origin []byte) (allowed, known bool) {
	sets := r.sets.Load()
	if sets == nil {
		return false, false
	}
	set := &sets[maphash.Bytes(r.seed, origin)%uint64(len(sets))]
	for i := range set {
		if o := set[i].Load(); o != nil && o.origin == string(origin) {
			return o.allowed, true
		}
	}
	return false, false
}

func (r *recentOrigins) keep(origin []byte, allowed bool) {
	if len(origin) > maxRecentOrigin {
		return
	}
	sets := r.sets.Load()
	if sets == nil {
		r.sets.CompareAndSwap(nil, new(recentSets))
		sets = r.sets.Load()
	}
	set := &sets[maphash.Bytes(r.seed, origin)%uint64(len(sets))]
	o := &recentOrigin{string(origin), allowed}
	for i := range set {
		if set[i].CompareAndSwap(nil, o) {
			return
		}
	}
	set[rand.IntN(len(set))].Store(o)
}
