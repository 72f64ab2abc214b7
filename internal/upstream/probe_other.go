//go:build !unix

package upstream

import "net"

// probe is where no system call tells whether an idle connection is still good:
// the request that finds it closed is sent again.
type probe struct{}

func newProbe(net.Conn) probe { return probe{} }

func (probe) quiet() bool { return true }

func (probe) reset() bool { return false }
