package engine

import (
	"errors"
	"io"
	mathrand "math/rand/v2"
	"time"

	"github.com/crossgate/crossgate/internal/header"
	"github.com/crossgate/crossgate/internal/http1"
)

// mirror is a compiled RequestMirrorPolicy: another service that gets copies of a
// share of the requests, and whose answers nobody sees.
//
// A copy is a stream of its own, on a goroutine of its own, whose client is a
// shadow: what the request's service makes of the request, and when, does not
// depend on it. This differs from Envoy, where a mirror that does not read holds
// the request back: here the copy is given up.
type mirror struct {
	target        *target
	clusterHeader string // names the cluster instead
	share         fraction
	host          []byte // host_rewrite_literal; nil: the request's
	keepHost      bool   // without the suffix
	mutations     []*mutations
	route         *route // of the copy
}

var (
	hEnvoyInternal = []byte("x-envoy-internal")
	shadowSuffix   = []byte("-shadow")
	// shadowHost is the virtual host of copies, which asks for nothing.
	shadowHost = &virtualHost{}
)

// mirror sends copies of the request, as it is on its way to the service, to the
// route's mirrors. What the service gets of the body from now on they get too, by
// the client that is returned (nil: there is no copy), until endMirror.
//
// Envoy draws once for all policies of a request: two halves are the same half.
func (s *stream) mirror() *teeClient {
	draw := fraction(mathrand.Uint32N(uint32(oneMillion)))
	tee, all := &teeClient{client: s.client}, &s.peer.engine.shadows
	for _, m := range s.route.mirrors {
		if draw >= m.share {
			continue
		}
		t := m.targetOf(s)
		if t.cluster == nil {
			continue
		}
		sh := all.begin(tee.client.ended() && len(s.up.replay) == 0)
		if sh == nil {
			s.prog.lostCopy(all.engine.log, t.name, "too many copies are under way")
			continue
		}
		sh.write(s.up.replay) // of a request that a redirect has led here
		tee.shadows = append(tee.shadows, sh)
		all.run(sh, s.shadow(m, t, sh))
	}
	if len(tee.shadows) == 0 {
		return nil
	}
	s.client = tee
	return tee
}

// endMirror follows the end of the request: copies of which a part is missing are
// given up.
func (s *stream) endMirror(tee *teeClient) {
	s.client = tee.client
	for _, sh := range tee.shadows {
		sh.abandon()
	}
}

func (m *mirror) targetOf(s *stream) *target {
	if m.clusterHeader == "" {
		return m.target
	}
	name, _ := s.req.Headers.Get(m.clusterHeader)
	return &target{name: string(name), cluster: s.prog.clusters.Cluster(string(name))}
}

// shadow is the copy of a request as a stream (ShadowWriterImpl and
// AsyncStreamImpl::sendHeaders of Envoy). All that it needs of the request is
// copied, for it may live longer.
func (s *stream) shadow(m *mirror, t *target, client *shadow) *stream {
	e := s.peer.engine
	c := e.streams.get()
	c.renew()
	c.client, c.peer, c.manager, c.prog = client, s.peer, s.manager.shadow, s.prog
	c.vhost, c.route, c.target = shadowHost, m.route, t
	c.start = time.Now()
	c.scheme, c.path = c.arena.Copy(s.scheme), c.arena.Copy(s.path)
	c.authority = c.arena.Copy(s.authority)
	c.req.Method, c.req.Minor = c.arena.Copy(s.req.Method), 1
	c.req.Framing, c.req.ContentLength = s.req.Framing, s.req.ContentLength
	h := &c.req.Headers
	for _, f := range s.req.Headers.Fields {
		h.Add(c.arena.Copy(f.Name), c.arena.Copy(f.Value))
	}
	for _, step := range m.mutations {
		step.apply(c, h)
	}
	switch {
	case m.host != nil:
		c.authority = m.host
	case !m.keepHost:
		bare := withoutPort(c.authority)
		b := append(c.arena.Start(), bare...)
		b = append(b, shadowSuffix...)
		c.authority = c.arena.Done(append(b, c.authority[len(bare):]...))
	}
	h.Set(hEnvoyInternal, vTrue)
	c.appendTo(h, hForwardedFor, ",", e.ownIP)
	return c
}

// teeClient is the client of a request with mirrors: what is taken of its body goes
// to the shadows too.
type teeClient struct {
	client
	shadows []*shadow
}

// ended implements client.
func (c *teeClient) ended() bool {
	if !c.client.ended() {
		return false
	}
	for _, sh := range c.shadows {
		sh.finish(c.client.trailers())
	}
	return true
}

// buffered implements client.
func (c *teeClient) buffered() ([]byte, error) {
	data, err := c.client.buffered()
	for _, sh := range c.shadows {
		sh.write(data)
	}
	return data, err
}

// skipBuffered implements client: the shadows skip nothing.
func (c *teeClient) skipBuffered() {
	for {
		if data, err := c.buffered(); err != nil || data == nil {
			break
		}
	}
	c.ended()
}

// cloneTrailers copies trailers, which are the client's.
func cloneTrailers(t *header.List) *header.List {
	if t == nil {
		return nil
	}
	out := &header.List{}
	for _, f := range t.Fields {
		out.Add(append([]byte(nil), f.Name...), append([]byte(nil), f.Value...))
	}
	return out
}

// discard reads the answer's body to its end.
func (x *exchange) discard() error {
	r := &x.s.resp
	end := r.Framing == http1.NoBody || r.Framing == http1.Length && r.ContentLength == 0
	left := r.ContentLength
	for !end {
		run, done, err := x.take(&left)
		if err != nil {
			return err
		}
		if end = done; end || len(run) > 0 {
			continue
		}
		if err := x.readBody(left); err != nil {
			if r.Framing == http1.UntilClose && errors.Is(err, io.EOF) {
				r.Close = true
				return nil
			}
			return err
		}
	}
	return nil
}
