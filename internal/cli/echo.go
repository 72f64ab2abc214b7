package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/crossgate/crossgate/internal/devkit"
)

// echoDrain is how long the demo backend lets requests finish.
const echoDrain = 5 * time.Second

func (p *program) echoCommand() *cobra.Command {
	var address string
	var log bool
	cmd := &cobra.Command{
		Use:   "echo",
		Short: "Run a demo backend that answers with the request as JSON",
		Long: `echo runs a backend for trying things out. It answers every request with a
description of it in JSON, over HTTP/1.1 and over HTTP/2 without TLS. The query
of a request controls its answer:

  ?status=503              the status, 200 to 599
  ?delay=200ms             wait before answering, up to a minute
  ?size=1048576            that many bytes instead of the description
  ?header=x-served-by:me   one more response header; may be repeated

The names of the request's headers are in lower case and in no order.`,
		Example: `  crossgate echo
  crossgate echo --listen 127.0.0.1:3001
  curl 'http://127.0.0.1:3000/any/path?status=201&delay=50ms'`,
		Args: cobra.NoArgs,
		RunE: run(func(ctx context.Context, _ []string) error { return p.echo(ctx, address, log) }),
	}
	cmd.Flags().StringVar(&address, "listen", "127.0.0.1:3000", "`address` to listen on")
	cmd.Flags().BoolVar(&log, "log", false, "log every request to standard error as it comes in")
	return cmd
}

func (p *program) echo(ctx context.Context, address string, requests bool) error {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return usagef("--listen %s: want ADDRESS:PORT", address)
	}
	ln, err := listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "echo listens on http://%s\n", ln.Addr())
	log := slog.New(slog.NewTextHandler(p.stderr, nil))
	var echo devkit.Echo
	if requests {
		echo.Log = log
	}
	return echo.Serve(ctx, ln, echoDrain, log)
}
