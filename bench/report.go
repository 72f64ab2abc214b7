package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"
)

// printTable prints the medians of a workload and, for each peer, two ratios;
// above 1 crossgate is ahead.
func printTable(w io.Writer, work workload, cs []*contestant, samples map[string][]sample) {
	fmt.Fprintf(w, "\n%s: %s\n", work.name, work.about)
	fmt.Fprintf(w, "%-10s %9s %17s %8s %6s %8s %8s %7s   %s\n",
		"", "req/s", "(lowest-highest)", "CPU/req", "busy", "p50", "p99", "errors", "crossgate is ahead by")
	ours := median(samples["crossgate"])
	for _, c := range cs {
		all := samples[c.name]
		m := median(all)
		byRate := func(a, b sample) int { return cmp.Compare(a.PerSec, b.PerSec) }
		fmt.Fprintf(w, "%-10s %9.0f %17s %8s %6.2f %8s %8s %7d", c.name, m.PerSec,
			fmt.Sprintf("(%.0f-%.0f)", slices.MinFunc(all, byRate).PerSec, slices.MaxFunc(all, byRate).PerSec),
			micros(m.CPU), m.Busy, micros(m.P50), micros(m.P99), m.Errors)
		if c.name != "crossgate" && ours.PerSec > 0 && ours.CPU > 0 {
			fmt.Fprintf(w, "   %.2f× req/s, %.2f× CPU", ours.PerSec/m.PerSec, float64(m.CPU)/float64(ours.CPU))
			if min(ours.Busy, m.Busy) < 0.9 {
				fmt.Fprint(w, " (a proxy was not busy: trust CPU)")
			}
		}
		fmt.Fprintln(w)
	}
}

// micros writes a time; one that is not known is a dash.
func micros(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1fµs", float64(d.Nanoseconds())/1000)
}

// median takes the median of every figure by itself; errors are summed.
func median(all []sample) sample {
	if len(all) == 0 {
		return sample{}
	}
	errors := 0
	for _, s := range all {
		errors += s.Errors
	}
	return sample{
		Requests: mid(all, func(s sample) int { return s.Requests }),
		PerSec:   mid(all, func(s sample) float64 { return s.PerSec }),
		CPU:      mid(all, func(s sample) time.Duration { return s.CPU }),
		Busy:     mid(all, func(s sample) float64 { return s.Busy }),
		P50:      mid(all, func(s sample) time.Duration { return s.P50 }),
		P99:      mid(all, func(s sample) time.Duration { return s.P99 }),
		Errors:   errors,
	}
}

// mid is the median of one figure; of an even number of samples the lower one of
// the middle.
func mid[T cmp.Ordered](all []sample, figure func(sample) T) T {
	figures := make([]T, 0, len(all))
	for _, s := range all {
		figures = append(figures, figure(s))
	}
	slices.Sort(figures)
	return figures[(len(figures)-1)/2]
}
