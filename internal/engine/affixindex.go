package engine

import (
	"math"
	"math/bits"
	"slices"
)

// affixIndex finds chains by the beginnings of a text, or by its ends: one look-up for
// each length that there is, however many chains.
//
// It goes by hashes alone: a chain may have members for several texts, upper and lower
// case are one to it, and who goes through a chain looks at each member.
type affixIndex struct {
	chains  hashTable
	lengths []affixLength // in rising order
}

// affixLength is a length, and how many members of chains have it.
type affixLength struct{ bytes, members int }

// chainEnd is what a chain ends with; it stands after all members.
const chainEnd = math.MaxInt32

// join is the beginning of the chain of an affix, given as it is read, for one more
// member; leave is it for one less. It is good until the next call.
func (x *affixIndex) join(affix []byte) *int32 {
	i, found := x.length(affix)
	if !found {
		x.lengths = slices.Insert(x.lengths, i, affixLength{bytes: len(affix)})
	}
	x.lengths[i].members++
	return x.chains.chain(foldHash(hashBegin, affix))
}

func (x *affixIndex) leave(affix []byte) *int32 {
	i, _ := x.length(affix)
	if x.lengths[i].members--; x.lengths[i].members == 0 {
		x.lengths = slices.Delete(x.lengths, i, i+1)
	}
	return x.chains.chain(foldHash(hashBegin, affix))
}

func (x *affixIndex) length(affix []byte) (int, bool) {
	return slices.BinarySearchFunc(x.lengths, len(affix), func(l affixLength, n int) int { return l.bytes - n })
}

// affixProbe goes through the chains of a text.
type affixProbe struct {
	index    *affixIndex
	text     []byte
	backward bool  // it is read from its end
	first    int32 // where the chain begins; chainEnd after the last one

	length int // how many lengths have been looked at
	hashed int // how much of the text hash is of
	hash   uint64
}

func (x *affixIndex) probe(text []byte) affixProbe {
	return affixProbe{index: x, text: text, hash: hashBegin, first: chainEnd}
}

// next goes on to the next chain, and reports whether there is one.
func (p *affixProbe) next() bool {
	lengths := p.index.lengths
	for p.length < len(lengths) && lengths[p.length].bytes <= len(p.text) {
		p.hashTo(lengths[p.length].bytes)
		p.length++
		if p.first = p.index.chains.find(p.hash); p.first != chainEnd {
			return true
		}
	}
	p.first = chainEnd
	return false
}

func (p *affixProbe) hashTo(n int) {
	if !p.backward {
		p.hash = foldHash(p.hash, p.text[p.hashed:n])
		p.hashed = n
		return
	}
	for ; p.hashed < n; p.hashed++ {
		p.hash = foldByte(p.hash, p.text[len(p.text)-1-p.hashed])
	}
}

// hashTable is where chains begin, by the hashes of what their members have in common.
// It is open addressing over one array, which can be copied as it is.
type hashTable struct {
	slots []hashSlot // their number is a power of two
	used  int
}

type hashSlot struct {
	tag   uint32 // a part of the hash; 0: free
	first int32
}

// newHashTable makes a table that has room for a number of chains.
func newHashTable(chains int) hashTable {
	return hashTable{slots: make([]hashSlot, 1<<bits.Len(uint(2*chains)))}
}

// hasRoom tells whether a number of chains can be added. Those that have become empty
// keep their places.
func (t *hashTable) hasRoom(chains int) bool { return 4*(t.used+chains) <= 3*len(t.slots) }

// chain is the beginning of the chain of a hash, a new one perhaps.
func (t *hashTable) chain(h uint64) *int32 {
	s := t.slot(h)
	if s.tag == 0 {
		_, s.tag = place(h)
		s.first = chainEnd
		t.used++
	}
	return &s.first
}

// find returns where the chain of a hash begins, or chainEnd.
func (t *hashTable) find(h uint64) int32 {
	if s := t.slot(h); s.tag != 0 {
		return s.first
	}
	return chainEnd
}

// slot is the one of a hash, or the free one that it would get.
func (t *hashTable) slot(h uint64) *hashSlot {
	i, tag := place(h)
	for {
		s := &t.slots[i&uint64(len(t.slots)-1)]
		if s.tag == tag || s.tag == 0 {
			return s
		}
		i++
	}
}

// place is where the search for a hash begins, and the tag that it stops at.
func place(h uint64) (at uint64, tag uint32) {
	h ^= h >> 32
	h *= 0x9e3779b97f4a7c15
	return h >> 32, uint32(h) | 1
}

// FNV-1a over text in lower case: that of a longer text goes on from that of its
// beginning. Who sends requests cannot put anything into the tables that it is for.
const (
	hashBegin = 0xcbf29ce484222325
	hashPrime = 0x100000001b3
)

func foldHash(h uint64, text []byte) uint64 {
	for _, c := range text {
		h = foldByte(h, c)
	}
	return h
}

func foldByte(h uint64, c byte) uint64 {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return (h ^ uint64(c)) * hashPrime
}
