package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

type options struct {
	crossgate, envoy string
	only             []string
	workloads        []workload
	rounds           int
	seconds          int
	quick            bool
	scale, change    bool // also measure large configurations, and changes of them
	idles            bool // also measure the memory of idle connections
	dir              string
}

func main() {
	switch {
	case len(os.Args) == 3 && os.Args[1] == "upstream":
		fail(serveUpstream(os.Args[2]))
		return
	case len(os.Args) == 4 && os.Args[1] == "engine":
		fail(serveEngine(os.Args[2], os.Args[3]))
		return
	}
	o, err := parseFlags(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fail(run(ctx, o))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parseFlags(args []string) (*options, error) {
	o := &options{}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.StringVar(&o.crossgate, "crossgate", "bin/crossgate", "the crossgate binary")
	fs.StringVar(&o.envoy, "envoy", ".tools/envoy/envoy", "the Envoy binary")
	fs.StringVar(&o.dir, "dir", ".work/bench", "where configurations, logs and results go")
	fs.IntVar(&o.rounds, "rounds", 5, "how often each contestant is measured per workload")
	fs.IntVar(&o.seconds, "seconds", 5, "how long one measurement takes")
	fs.BoolVar(&o.quick, "quick", false, "only check that the contestants do the job")
	only := fs.String("only", "", "contestants, separated by commas (default: all that are installed)")
	names := fs.String("workloads", "P,G", "workloads, separated by commas: P, G, G64k, N, T, H2P, H2G, scale, change, idle")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	for name := range strings.SplitSeq(*names, ",") {
		if name == "scale" || name == "change" {
			o.scale, o.change = o.scale || name == "scale", o.change || name == "change"
			continue
		}
		if name == "idle" {
			o.idles = true
			continue
		}
		i := slices.IndexFunc(workloads, func(w workload) bool { return w.name == name })
		if i < 0 {
			return nil, fmt.Errorf("unknown workload %q", name)
		}
		o.workloads = append(o.workloads, workloads[i])
	}
	return o, nil
}

// run prepares, checks and measures.
func run(ctx context.Context, o *options) (err error) {
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return err
	}
	if o.dir, err = filepath.Abs(o.dir); err != nil {
		return err
	}
	b := &bench{options: o}
	defer func() { err = errors.Join(err, b.stop()) }()
	if err := b.startUpstream(ctx); err != nil {
		return err
	}
	if len(o.workloads) > 0 {
		if err := b.compare(ctx); err != nil {
			return err
		}
	}
	if o.idles && !o.quick {
		if err := errors.Join(b.stopContestants(), b.idle(ctx)); err != nil {
			return err
		}
	}
	if o.scale {
		if err := b.growAll(ctx); err != nil {
			return err
		}
	}
	if o.change {
		return b.changes(ctx)
	}
	return nil
}

// compare runs the workloads on all contestants.
func (b *bench) compare(ctx context.Context) error {
	if err := b.start(ctx); err != nil {
		return err
	}
	if err := b.check(ctx); err != nil || b.quick {
		return err
	}
	results := map[string]map[string][]sample{}
	for _, w := range b.workloads {
		samples, err := b.measure(ctx, w)
		if err != nil {
			return err
		}
		printTable(os.Stdout, w, b.contestants, samples)
		results[w.name] = samples
	}
	return b.keep("results", results)
}

// keep writes results to a file.
func (b *bench) keep(name string, results any) error {
	data, err := json.MarshalIndent(results, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.dir, name+"-"+time.Now().Format("20060102-150405")+".json"), data, 0o644)
}
