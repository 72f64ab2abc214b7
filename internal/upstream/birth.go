package upstream

import (
	"sync/atomic"
	"time"

	"github.com/crossgate/crossgate/internal/http2"
)

// Birth is how a connection came to be, for logs.
type Birth struct {
	Begun, Connected time.Time
	Secured          time.Time // zero: it is in the clear

	number atomic.Uint64
}

// Number is the connection's number: next gives it one, the first time.
func (b *Birth) Number(next func() uint64) uint64 {
	if n := b.number.Load(); n > 0 {
		return n
	}
	b.number.CompareAndSwap(0, next())
	return b.number.Load()
}

// Birth is how the connection came to be.
func (c *Conn) Birth() *Birth { return &c.birth }

// BirthOf is how the connection of a session came to be, which a Host has made.
func BirthOf(s *http2.Session) *Birth {
	if c, ok := s.Conn().(*sessionConn); ok {
		return &c.birth
	}
	return nil
}
