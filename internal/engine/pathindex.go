package engine

// pathIndex finds the chains of the routes that a path can be for: those of each of its
// beginnings that is a prefix of some route, and that of the path itself.
type pathIndex struct {
	affixIndex
	exact int // the greatest length of a path that has to be equal; -1: none
}

func newPathIndex(routes int) *pathIndex {
	return &pathIndex{affixIndex: affixIndex{chains: newHashTable(routes)}, exact: -1}
}

// join is the beginning of the chain of the routes for a prefix or a whole path, for one
// more of them; leave is it for one less.
func (x *pathIndex) join(path []byte, exact bool) *int32 {
	if !exact {
		return x.affixIndex.join(path)
	}
	x.exact = max(x.exact, len(path))
	return x.chains.chain(foldHash(hashBegin, path) ^ hashExact)
}

func (x *pathIndex) leave(path []byte, exact bool) *int32 {
	if !exact {
		return x.affixIndex.leave(path)
	}
	return x.chains.chain(foldHash(hashBegin, path) ^ hashExact)
}

// hashExact tells a path that has to be equal from the same one as a prefix.
const hashExact = 0x94d049bb133111eb

// pathProbe goes through the chains of a path.
type pathProbe struct {
	affixProbe
	whole int // the greatest length of a path that is looked up as a whole
}

func (x *pathIndex) probe(path []byte) pathProbe {
	return pathProbe{x.affixIndex.probe(path), x.exact}
}

// next goes on to the next chain, and reports whether there is one.
func (p *pathProbe) next() bool {
	if p.affixProbe.next() {
		return true
	}
	if len(p.text) > p.whole {
		return false
	}
	p.whole = -1
	p.hashTo(len(p.text))
	p.first = p.index.chains.find(p.hash ^ hashExact)
	return p.first != chainEnd
}
