package cli

import (
	"cmp"
	"net"
	"strconv"

	"github.com/crossgate/crossgate/internal/xds"
)

// The ports of the console are Istio's. The admin interface stays on loopback
// also when --bind opens the gateway, for it shows the whole configuration.
const (
	defaultAdmin     = "127.0.0.1:15000"
	defaultReadiness = ":15021"
	defaultMetrics   = ":15090"
)

// addressOff is the value of an address flag that turns the listener off.
const addressOff = "off"

// address is where a listener of the console goes.
type address struct {
	host string
	port uint32
	off  bool
}

func (a address) String() string {
	return xds.HostPort(a.host, a.port)
}

// parseAddress reads the value of an address flag: HOST:PORT, :PORT for the
// address of --bind, or off. A port 0 is chosen by the system; others move by
// --port-offset.
func parseAddress(flag, value string, ports xds.Ports) (address, error) {
	if value == addressOff {
		return address{off: true}, nil
	}
	host, portText, err := net.SplitHostPort(value)
	if err != nil {
		return address{}, usagef("--%s %s: want HOST:PORT, :PORT or %s", flag, value, addressOff)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return address{}, usagef("--%s %s: %q is not a port", flag, value, portText)
	}
	moved := int64(port)
	if port != 0 {
		moved += int64(ports.Offset)
		if moved < 1 || moved > 65535 {
			return address{}, usagef("--%s %s: port %d with offset %d is not a port", flag, value, port, ports.Offset)
		}
	}
	return address{host: cmp.Or(host, ports.Bind), port: uint32(moved)}, nil
}
