package engine

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestWorkers: a worker that is idle takes the next stream, one that nobody needs ends
// after a while, and none is left when they are closed.
func TestWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		served := map[*stream]int{}
		hold := make(chan struct{})
		p := &workers{work: func(s *stream) {
			<-hold
			mu.Lock()
			served[s]++
			mu.Unlock()
		}}
		idle := func() int {
			synctest.Wait()
			p.mu.Lock()
			defer p.mu.Unlock()
			return len(p.idle)
		}
		burst := func(n int) {
			for range n {
				p.serve(&stream{})
			}
			synctest.Wait()
			for range n {
				hold <- struct{}{}
			}
		}
		burst(20)
		if n := idle(); n != 20 {
			t.Errorf("%d idle workers after 20 streams at once", n)
		}
		burst(5)
		if n := idle(); n != 20 {
			t.Errorf("%d idle workers after 5 more streams, want the 20 of before", n)
		}
		for range 4 { // five are needed all the time
			time.Sleep(trimInterval)
			burst(5)
		}
		if n := idle(); n != 5 {
			t.Errorf("%d idle workers where 5 are needed", n)
		}
		time.Sleep(3 * trimInterval)
		if n := idle(); n != 0 {
			t.Errorf("%d idle workers where none is needed", n)
		}
		burst(3)
		p.serve(&stream{})
		go func() { hold <- struct{}{} }()
		p.close() // waits for the one that is at work
		mu.Lock()
		defer mu.Unlock()
		if len(served) != 20+5+4*5+3+1 {
			t.Errorf("%d streams were served", len(served))
		}
		for _, n := range served {
			if n != 1 {
				t.Errorf("a stream was served %d times", n)
			}
		}
	})
}
