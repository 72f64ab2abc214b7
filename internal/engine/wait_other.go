//go:build !unix

package engine

import "net"

// waiter waits for the next bytes of a client; here with a buffer in hand.
type waiter struct{}

func (w *waiter) init(*conn, net.Conn) {}

func (w *waiter) read(c *conn) (int, error) {
	return c.readOnce()
}
