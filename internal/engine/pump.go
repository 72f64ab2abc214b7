package engine

import (
	"sync"
	"sync/atomic"
	"time"
)

// pump is the goroutine that carries the rest of a request's body upstream while
// the answer is already awaited.
type pump struct {
	running bool
	done    sync.WaitGroup
	stopped atomic.Bool
	last    atomic.Bool // all has been read; the last write is under way
	failed  atomic.Bool // the client failed: clientError is set
}

// startPump sends the rest of the request's body from a goroutine of its own: the
// service may answer before it has read everything.
func (x *exchange) startPump() {
	x.pump.running = true
	x.pump.stopped.Store(false)
	x.pump.last.Store(false)
	x.pump.failed.Store(false)
	s := x.s
	s.client.unlimit()
	to := x.link()
	x.pump.done.Go(func() { x.runPump(to) })
}

func (x *exchange) runPump(to uplink) {
	s := x.s
	body := s.client
	out := s.peer.engine.buffers.get()
	defer s.peer.engine.buffers.put(out)
	for !body.ended() {
		data, err := body.buffered()
		if err == nil && data == nil && !body.ended() {
			if err = body.fill(); err == nil {
				continue
			}
		}
		if err != nil {
			if !x.pump.stopped.Load() {
				x.clientError = err
				x.pump.failed.Store(true)
				to.Interrupt()
			}
			return
		}
		x.remember(data)
		if body.ended() {
			x.pump.last.Store(true)
			x.requestEnds()
		}
		// A write that fails is no failure of the request: the answer, or its
		// absence, tells.
		if len(data) > 0 && to.send(data, out, s.req.Framing) != nil {
			return
		}
	}
	x.pump.last.Store(true)
	x.requestEnds()
	if to.end(x.requestTrailers(), out, s.req.Framing) != nil {
		return
	}
	at, _ := x.deadline(time.Now(), true)
	to.LimitReads(at)
	x.afterLimit(to)
	body.awaits()
}

// requestEnds notes that all of the request has come, before the last of it is sent:
// the service may answer before this goroutine runs again.
func (x *exchange) requestEnds() {
	x.uploaded.CompareAndSwap(0, int64(time.Since(x.began))+1)
}

// stopPump ends the pump. What it has read is in the replay buffer.
func (x *exchange) stopPump() {
	if !x.pump.running {
		return
	}
	x.pump.running = false
	x.pump.stopped.Store(true)
	c := x.s.client
	c.interrupt()
	if to := x.link(); to != nil {
		to.Interrupt()
	}
	x.pump.done.Wait()
	c.resume()
}

// joinPump waits for a pump that has nothing left but its last write. It reports
// whether the whole request has been sent.
func (x *exchange) joinPump() bool {
	if !x.pump.running {
		return true
	}
	if !x.pump.last.Load() {
		return false
	}
	x.link().limitWrites(time.Now().Add(lastWriteTime))
	x.pump.done.Wait()
	x.pump.running = false
	if x.conn != nil {
		x.conn.ClearTimeout()
	}
	return true
}

// lastWriteTime bounds the wait for a service that has answered and does not
// read the end of the request.
const lastWriteTime = time.Second

// pastTime makes a deadline that has passed.
var pastTime = time.Unix(1, 0)
