package engine

import (
	"io"
	"sync/atomic"
	"time"

	"github.com/crossgate/crossgate/internal/http1"
)

// tunnel joins the two connections once the service has agreed to switch
// protocols: bytes go both ways until either side ends.
func (s *stream) tunnel() {
	x, c := &s.up, s.conn
	s.closing = true
	c.unwatch()
	s.finalize()
	s.appendHead(http1.NoBody)
	first := x.buf[x.r:x.w]
	x.r = x.w
	s.sent += int64(len(first))
	if err := c.write(s.out, first); err != nil {
		s.lostClient()
		return
	}
	x.conn.ClearTimeout()
	_ = c.nc.SetDeadline(time.Time{})
	c.readAt, c.writeAt = time.Time{}, time.Time{}
	early := c.body.rest()
	c.body.r = c.body.w
	up := x.conn
	var received atomic.Int64
	x.pump.done.Go(func() {
		if _, err := up.Write(early); err == nil {
			n, _ := io.Copy(struct{ io.Writer }{up}, struct{ io.Reader }{c.nc})
			received.Store(n + int64(len(early)))
		}
		// The client has no more to say: the service reads an end of file.
		if half, ok := up.Conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
			return
		}
		up.Interrupt()
	})
	x.moveHead()
	n, err := io.CopyBuffer(struct{ io.Writer }{c.nc}, struct{ io.Reader }{up}, x.buf)
	s.sent += n
	c.wireSent += n
	s.end = time.Now()
	_ = c.nc.SetReadDeadline(pastTime)
	x.pump.done.Wait()
	s.received += received.Load()
	c.body.raw += received.Load()
	if err != nil {
		s.flags |= flagDownstreamClosed
		s.details = "downstream_remote_disconnect"
	}
	x.drop()
}
