package engine

import "net"

// clientWire is the socket of a client that speaks TLS, as crypto/tls reads it.
type clientWire struct {
	net.Conn
	dry bool // nothing more is read: what has been decrypted is wanted alone
}

func (w *clientWire) Read(b []byte) (int, error) {
	if w.dry {
		return 0, errDry{}
	}
	return w.Conn.Read(b)
}

// errDry is what a dry wire says. It is temporary, and therefore crypto/tls goes on
// after it as if nothing had been.
type errDry struct{}

func (errDry) Error() string   { return "nothing has been decrypted" }
func (errDry) Timeout() bool   { return false }
func (errDry) Temporary() bool { return true }

// readOnce waits for the next bytes where the kernel does not tell of them without a
// buffer: with TLS in the buffer of one byte, otherwise with a buffer in hand.
func (c *conn) readOnce() (int, error) {
	if c.in == nil && c.tlsWire != nil {
		return c.readSecured()
	}
	if c.in == nil {
		c.in = c.engine.buffers.get()
	}
	return c.nc.Read(c.in)
}

// readSecured waits for a byte, takes a buffer then, and reads what came with it.
func (c *conn) readSecured() (int, error) {
	n, err := c.nc.Read(c.first[:])
	if n == 0 {
		return 0, err
	}
	c.in = c.engine.buffers.get()
	c.in[0] = c.first[0]
	c.tlsWire.dry = true
	n, _ = c.nc.Read(c.in[1:]) // an error that lasts comes again
	c.tlsWire.dry = false
	return 1 + n, nil
}
