package cli

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/crossgate/crossgate/internal/engine"
)

// listen opens a TCP address. The error for one that is in use says by whom, as
// far as the system lets us see it.
func listen(ctx context.Context, network, address string) (net.Listener, error) {
	ln, err := engine.Listen(ctx, network, address)
	if err == nil || !addressInUse(err) {
		return ln, err
	}
	_, port, splitErr := net.SplitHostPort(address)
	n, convErr := strconv.ParseUint(port, 10, 16)
	if splitErr != nil || convErr != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%s is in use by %s; another instance beside it needs --port-offset or other ports",
		address, cmp.Or(portOwner(uint16(n)), "another process"))
}
