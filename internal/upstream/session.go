package upstream

import (
	"context"
	"sync"
	"time"

	"github.com/crossgate/crossgate/internal/http2"
)

// sessions are the HTTP/2 connections to one host. As long as one takes another
// stream there is no second one.
type sessions struct {
	mu   sync.Mutex
	open []*http2.Session
	// dialing has room for one: others wait for what it brings.
	dialing chan struct{}
}

// usable returns a session that takes another stream, or nil.
func (p *sessions) usable() *http2.Session {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.open {
		if s.Usable() {
			return s
		}
	}
	return nil
}

// turn is the right to dial.
func (p *sessions) turn() chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dialing == nil {
		p.dialing = make(chan struct{}, 1)
	}
	return p.dialing
}

// Session returns an HTTP/2 connection to the host that takes another stream. It
// fails as Acquire does.
func (h *Host) Session(ctx context.Context, connectTimeout time.Duration) (*http2.Session, error) {
	if s := h.sessions.usable(); s != nil {
		return s, nil
	}
	turn := h.sessions.turn()
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for {
		if s := h.sessions.usable(); s != nil {
			return s, nil
		}
		if h.limits.addConnection() {
			break
		}
		if h.limits.evict() {
			continue
		}
		if err := h.limits.wait(ctx, func() bool { return h.sessions.usable() != nil }); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	nc, err := h.dial(ctx, "tcp", h.Address)
	if err != nil {
		h.limits.removeConnection()
		return nil, err
	}
	s := http2.NewClient(nc, http2.Options{})
	h.sessions.mu.Lock()
	h.sessions.open = append(h.sessions.open, s)
	h.sessions.mu.Unlock()
	go h.run(s)
	return s, nil
}

// run reads from a session until its end.
func (h *Host) run(s *http2.Session) {
	_ = s.Run(nil) // the streams that it takes with it tell why
	p := &h.sessions
	p.mu.Lock()
	for i, other := range p.open {
		if other == s {
			p.open = append(p.open[:i], p.open[i+1:]...)
			break
		}
	}
	p.mu.Unlock()
	h.limits.removeConnection()
}

// retire lets the sessions end with what is under way on them.
func (p *sessions) retire() {
	p.mu.Lock()
	open := append([]*http2.Session(nil), p.open...)
	p.mu.Unlock()
	for _, s := range open {
		s.GoAway()
	}
}

// BeginStream counts a request on a session in, by which hosts are compared;
// EndStream counts it out.
func (h *Host) BeginStream() { h.active.Add(1) }

// EndStream counts a request out.
func (h *Host) EndStream() {
	h.active.Add(-1)
	h.limits.wake()
}
