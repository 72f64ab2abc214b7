package engine

import (
	"context"
	"net"
)

// Listen opens the socket of a listener; it is what Options.Listen is by default. On
// Linux a connection is accepted when its first bytes are there. Multipath TCP, which Go
// would offer, is left out: its sockets have not all options, and stock Envoys do not
// speak it.
func Listen(ctx context.Context, network, address string) (net.Listener, error) {
	lc := &net.ListenConfig{KeepAlive: -1, Control: deferAccept} // keep-alive probes are the engine's business
	lc.SetMultipathTCP(false)
	return lc.Listen(ctx, network, address)
}
