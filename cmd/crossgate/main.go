// Command crossgate runs Istio traffic configuration: as a gateway on this
// machine, or as configuration for Envoy.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/crossgate/crossgate/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal drains; the handler is gone then, so the second one ends
	// the process as if there had never been one.
	context.AfterFunc(ctx, stop)
	os.Exit(cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
