package http2

import (
	"math/rand/v2"
	"time"
)

// keepaliveJitter is added to an interval at most, so that connections that were
// made together do not ask together: Envoy's interval_jitter, 15 %.
const keepaliveJitter = 0.15

// keepalive asks whether the other side is there until stop is closed (Envoy's
// connection_keepalive).
func (s *Session) keepalive(stop <-chan struct{}) {
	t := time.NewTimer(s.pause())
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
		}
		s.ask()
		for wait := s.opts.KeepaliveTimeout; wait > 0; {
			t.Reset(wait)
			select {
			case <-stop:
				return
			case <-s.acked:
				wait = 0
			case <-t.C:
				// What came is a sign of life, although the answer is still
				// behind it.
				if wait = s.opts.KeepaliveTimeout - s.silence(); wait <= 0 {
					s.fail(ErrClosed)
					return
				}
			}
		}
		t.Reset(s.pause())
	}
}

func (s *Session) pause() time.Duration {
	i := s.opts.KeepaliveInterval
	return i + time.Duration(keepaliveJitter*rand.Float64()*float64(i))
}

// ask sends a PING.
func (s *Session) ask() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.acked: // of a PING before
	default:
	}
	s.out = appendPing(s.out, false, make([]byte, 8))
	s.flush(true)
}

// silence is how long nothing has come.
func (s *Session) silence() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.heard)
}
