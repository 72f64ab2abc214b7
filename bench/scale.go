package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
)

// size is how much there is in a configuration beside what the requests ask for.
type size struct{ Routes, Hosts, Exact, Regexes int }

// A growth is one way in which a configuration grows.
type growth struct {
	name      string
	few, many size
}

var growths = []growth{
	{name: "100,000 prefix routes in a host", few: size{Routes: 9}, many: size{Routes: 99_999}},
	{name: "100,000 hosts", few: size{Hosts: 9}, many: size{Hosts: 99_999}},
	{name: "10,000 exact origins", few: size{Exact: 9}, many: size{Exact: 9_999}},
	{name: "1,000 regex origins", few: size{Regexes: 9}, many: size{Regexes: 999}},
}

// shapes are those of regexes for origins; %d is a number.
var shapes = []string{
	`https://.*\.tenant%d\.example\.org`, `https://([a-z0-9-]+\.)?tenant%d\.example\.org`, `https://tenant%d\.example\.org(:[0-9]+)?`,
	`https?://tenant%d-[a-z]+\.example\.org`, `https://(app|admin)\.tenant%d\.example\.(org|net)`, `https://[a-z]+-tenant%d\.example\.org`,
}

func shape(i int) string { return fmt.Sprintf(shapes[i%len(shapes)], i) }

// A pair is a contestant with a small and with a large configuration.
type pair struct{ few, many *contestant }

// growAll measures what a request costs in large configurations, compared with small ones
// of the same proxy.
func (b *bench) growAll(ctx context.Context) error {
	results := map[string]map[string][]sample{}
	for _, g := range growths {
		if err := b.grow(ctx, g, results); err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
	}
	if b.quick {
		return nil
	}
	return b.keep("scale", results)
}

func (b *bench) grow(ctx context.Context, g growth, results map[string]map[string][]sample) (err error) {
	var pairs []pair
	defer func() {
		for _, p := range pairs {
			for _, c := range []*contestant{p.few, p.many} {
				if c.proc != nil {
					err = errors.Join(err, c.proc.stop())
				}
			}
		}
	}()
	var all []*contestant
	for _, of := range contestants() {
		if of.name == "haproxy" || len(b.only) > 0 && !slices.Contains(b.only, of.name) {
			continue
		}
		p := pair{&contestant{name: of.name + "/few", command: of.command}, &contestant{name: of.name + "/many", command: of.command}}
		pairs = append(pairs, p)
		for c, s := range map[*contestant]size{p.few: g.few, p.many: g.many} {
			if err := b.startScaled(ctx, of, c, s); errors.Is(err, exec.ErrNotFound) {
				pairs = pairs[:len(pairs)-1]
				break
			} else if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
	}
	for _, p := range pairs {
		all = append(all, p.few, p.many)
	}
	asked := &bench{options: b.options, contestants: all}
	for _, c := range all {
		for _, q := range questions[:2] {
			if err := q.ask(ctx, way{scheme: "http", port: c.http}); err != nil {
				return fmt.Errorf("%s: %s: %w", c.name, q.about, err)
			}
		}
	}
	if b.quick {
		fmt.Printf("%s: %d proxies do the job\n", g.name, len(all))
		return nil
	}
	for _, w := range workloads[:2] { // P and G
		samples, err := asked.measure(ctx, w)
		if err != nil {
			return err
		}
		printGrowth(os.Stdout, g, w, pairs, samples)
		results[g.name+" "+w.name] = samples
	}
	return nil
}

// startScaled starts a contestant of a kind with a configuration of a size.
func (b *bench) startScaled(ctx context.Context, of, c *contestant, s size) (err error) {
	if c.http, err = freePort(); err != nil {
		return err
	}
	name := "scale-" + strings.ReplaceAll(c.name, "/", "-")
	conf := "scale.json"
	if of.name == "nginx" {
		conf = "scale-nginx.conf"
	}
	file := filepath.Join(b.dir, name+filepath.Ext(conf))
	if err := renderTo(conf, file, map[string]any{"Dir": b.dir, "Name": name, "HTTP": c.http, "Upstream": b.upstreamPort, "Size": s}); err != nil {
		return err
	}
	c.proc, err = b.startProxy(ctx, name, c.command(b.options, file), c.http)
	return err
}

// renderTo writes a configuration to a file.
func renderTo(conf, file string, values any) error {
	tmpl, err := template.New(conf).Funcs(template.FuncMap{"shape": shape, "json": asJSON}).ParseFS(confFiles, "conf/"+conf)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := tmpl.Execute(&out, values); err != nil {
		return err
	}
	return os.WriteFile(file, out.Bytes(), 0o644)
}

func asJSON(v any) (string, error) {
	data, err := json.Marshal(v)
	return string(data), err
}

// printGrowth prints what a request costs with much and with little, and their ratio.
func printGrowth(w io.Writer, g growth, work workload, pairs []pair, samples map[string][]sample) {
	fmt.Fprintf(w, "\n%s, %s: %s\n%-10s %12s %12s %8s %7s\n", g.name, work.name, work.about, "", "CPU/req, 10", "CPU/req", "ratio", "errors")
	for _, p := range pairs {
		few, many := median(samples[p.few.name]), median(samples[p.many.name])
		fmt.Fprintf(w, "%-10s %12s %12s %7.2f× %7d\n", filepath.Dir(p.few.name), micros(few.CPU), micros(many.CPU),
			float64(many.CPU)/float64(max(few.CPU, 1)), few.Errors+many.Errors)
	}
}
