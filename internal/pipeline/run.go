package pipeline

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/source"
	"github.com/crossgate/crossgate/internal/xds"
)

// Sink takes snapshots: the embedded engine, or a server for remote proxies.
type Sink interface {
	// Publish makes s the configuration of the sink. What the sink cannot do is
	// in the list; the rest of s is served.
	Publish(s *xds.Snapshot) diag.List
}

// rebuildEvery is how often an unchanged input is built again: certificates end,
// and those that the pipeline makes are renewed.
const rebuildEvery = 12 * time.Hour

// Run builds every state of the source and publishes the snapshot to the sinks
// if it differs from the last one, until ctx ends. A result that is refused is
// not published: what was served before goes on. Report gets every result, one
// at a time.
func Run(ctx context.Context, src source.Source, o Options, sinks []Sink, report func(*Result)) error {
	r := runner{builder: NewBuilder(o), sinks: sinks, report: report}
	updates := make(chan *source.Update)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return src.Run(ctx, func(u *source.Update) {
			select {
			case updates <- u:
			case <-ctx.Done():
			}
		})
	})
	group.Go(func() error {
		rebuild := time.NewTicker(rebuildEvery)
		defer rebuild.Stop()
		for {
			select {
			case u := <-updates:
				r.step(u)
			case <-rebuild.C:
				r.again()
			case <-ctx.Done():
				return nil
			}
		}
	})
	return group.Wait()
}

type runner struct {
	builder *Builder
	sinks   []Sink
	report  func(*Result)

	last      *source.Update // what the last step was about
	published bool
	version   string    // of the published snapshot
	refused   diag.List // what the sinks said about it
}

func (r *runner) step(u *source.Update) {
	r.last = u
	res := r.builder.Build(u)
	if len(res.Refused) == 0 {
		r.publish(res)
	}
	r.report(res)
}

func (r *runner) again() {
	if r.last != nil {
		r.step(r.last)
	}
}

func (r *runner) publish(res *Result) {
	if !r.published || r.version != res.Snapshot.Version {
		r.published, r.version, r.refused = true, res.Snapshot.Version, nil
		for _, s := range r.sinks {
			r.refused = append(r.refused, s.Publish(res.Snapshot)...)
		}
		res.Changed = true
	}
	res.Published = true
	// What a sink cannot do stays true as long as it has the snapshot.
	res.Diags = append(res.Diags, r.refused...)
	res.Diags.Sort()
}
