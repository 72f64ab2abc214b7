package source

import "time"

// debouncer joins the events of one change: it fires when there was none for a
// while, or when the first of them is too long ago.
type debouncer struct {
	quiet, most time.Duration
	first       time.Time
	timer       *time.Timer
}

func newDebouncer(quiet, most time.Duration) *debouncer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &debouncer{quiet: quiet, most: most, timer: t}
}

// C delivers the moment to act, after which done is to be called.
func (d *debouncer) C() <-chan time.Time { return d.timer.C }

func (d *debouncer) event() {
	now := time.Now()
	if d.first.IsZero() {
		d.first = now
	}
	d.timer.Reset(max(0, min(d.quiet, d.first.Add(d.most).Sub(now))))
}

func (d *debouncer) done() { d.first = time.Time{} }

func (d *debouncer) stop() { d.timer.Stop() }
