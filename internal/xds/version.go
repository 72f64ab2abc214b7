package xds

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// Pack wraps a message for a field of type Any, as the same bytes for equal
// messages. It fails for text that is not UTF-8.
func Pack(m proto.Message) (*anypb.Any, error) {
	a := new(anypb.Any)
	if err := anypb.MarshalFrom(a, m, proto.MarshalOptions{Deterministic: true}); err != nil {
		return nil, fmt.Errorf("pack %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	return a, nil
}

// Seal sets Version to a hash of the content; who builds a snapshot calls it
// last.
func (s *Snapshot) Seal() {
	h := sha256.New()
	for _, r := range s.resources() {
		writeResource(h, r)
	}
	s.Version = hex.EncodeToString(h.Sum(nil)[:8])
}

func writeResource(h hash.Hash, r named) {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(r.message)
	if err != nil {
		// Text that is not UTF-8: hash what can be said about it.
		data = []byte(err.Error())
	}
	fmt.Fprintf(h, "%s %d\n", r.name, len(data))
	h.Write(data)
}

// named is a resource under "TYPE/NAME".
type named struct {
	name    string
	message proto.Message
}

// resources lists everything that a data plane is configured by.
func (s *Snapshot) resources() []named {
	if s == nil {
		return nil
	}
	var out []named
	for _, r := range s.Listeners {
		out = append(out, named{ListenerKey(r.GetName()), r})
	}
	for _, r := range s.Routes {
		out = append(out, named{RouteConfigKey(r.GetName()), r})
	}
	for _, r := range s.Clusters {
		out = append(out, named{ClusterKey(r.GetName()), r})
	}
	for _, r := range s.Endpoints {
		out = append(out, named{"endpoints/" + r.GetClusterName(), r})
	}
	for _, r := range s.Secrets {
		out = append(out, named{SecretKey(r.GetName()), r})
	}
	return out
}

// Delta names what changed from one snapshot to the next, as "routes/http.80",
// each list sorted.
type Delta struct {
	Added, Removed, Changed []string
}

// Diff compares two snapshots; a nil one counts as empty.
func Diff(before, after *Snapshot) Delta {
	old := make(map[string]proto.Message)
	for _, r := range before.resources() {
		old[r.name] = r.message
	}
	var d Delta
	for _, r := range after.resources() {
		was, ok := old[r.name]
		delete(old, r.name)
		switch {
		case !ok:
			d.Added = append(d.Added, r.name)
		case was != r.message && !equal(was, r.message):
			d.Changed = append(d.Changed, r.name)
		}
	}
	for name := range old {
		d.Removed = append(d.Removed, name)
	}
	for _, l := range [][]string{d.Added, d.Removed, d.Changed} {
		slices.SortFunc(l, cmp.Compare)
	}
	return d
}

func equal(a, b proto.Message) bool {
	o := proto.MarshalOptions{Deterministic: true}
	x, errX := o.Marshal(a)
	y, errY := o.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// Empty reports whether nothing changed.
func (d Delta) Empty() bool { return len(d.Added)+len(d.Removed)+len(d.Changed) == 0 }

// String summarises the delta on one line for a log:
//
//	added cluster/a; changed routes/http.80
func (d Delta) String() string {
	var parts []string
	for _, p := range []struct {
		verb  string
		names []string
	}{{"added", d.Added}, {"removed", d.Removed}, {"changed", d.Changed}} {
		if len(p.names) == 0 {
			continue
		}
		const most = 5
		text := p.verb + " " + strings.Join(p.names[:min(most, len(p.names))], ", ")
		if more := len(p.names) - most; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return "no change"
	}
	return strings.Join(parts, "; ")
}
