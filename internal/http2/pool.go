package http2

import "sync"

// Pool keeps what streams and sessions need from one to the next. The zero value is
// ready to use; sessions share one by their Options.
type Pool struct{ streams sync.Pool }

func (p *Pool) stream() *Stream {
	if st, ok := p.streams.Get().(*Stream); ok {
		return st
	}
	return &Stream{readable: make(chan struct{}, 1), writable: make(chan struct{}, 1)}
}

// maxKeptBody bounds the memory for a body that a stream keeps for the next one.
const maxKeptBody = 16 << 10

// recycle takes a stream that nobody knows any more: it has ended in both directions
// and was closed, and no OnAbort function can be under way.
func (p *Pool) recycle(st *Stream) {
	drain(st.readable)
	drain(st.writable)
	recv, lent := st.recv[:0], st.lent[:0]
	if cap(recv)+cap(lent) > maxKeptBody {
		recv, lent = nil, nil
	}
	st.streamState = streamState{recv: recv, lent: lent}
	p.streams.Put(st)
}

func drain(ch chan struct{}) {
	select {
	case <-ch:
	default:
	}
}
