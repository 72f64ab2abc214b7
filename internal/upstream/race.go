package upstream

import (
	"context"
	"net"
	"time"
)

// headStart is how long an address is tried before the next one is tried too
// (Envoy's happy eyeballs, RFC 8305 section 5).
const headStart = 300 * time.Millisecond

// firstOf dials several addresses of one host, in their order: the next one when
// the one before has failed or takes long. The first connection is taken, the
// others are closed. It fails with the error of the first address.
func firstOf(dial Dial, addresses []string) Dial {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		type result struct {
			c   net.Conn
			err error
			n   int
		}
		results := make(chan result, len(addresses))
		begun, ended := 0, 0
		begin := func() {
			if n := begun; n < len(addresses) {
				begun++
				go func() {
					c, err := dial(ctx, network, addresses[n])
					results <- result{c, err, n}
				}()
			}
		}
		begin()
		next := time.NewTicker(headStart)
		defer next.Stop()
		var failed error
		for ended < begun {
			select {
			case <-next.C:
				begin()
			case r := <-results:
				ended++
				if r.err == nil {
					go func(left int) {
						for range left {
							if late := <-results; late.err == nil {
								_ = late.c.Close()
							}
						}
					}(begun - ended)
					return r.c, nil
				}
				if r.n == 0 {
					failed = r.err
				}
				begin()
			}
		}
		return nil, failed
	}
}
