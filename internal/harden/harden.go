package harden

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/xds"
)

// The codes of this package.
const (
	// CodeUnsafe: a policy cannot be enforced safely; its route has no CORS.
	CodeUnsafe = "CG0501"
	// CodeAmbiguous: a preflight does not tell all that its route asks for.
	CodeAmbiguous = "CG0502"
	// CodeNotHardened: a policy is left as it is.
	CodeNotHardened = "CG0503"
	// CodeCandidate: a policy on trial has no route to be tried on.
	CodeCandidate = "CG0504"
)

// Snapshot returns the hardened form of a snapshot, which stays as it is; parts that
// do not change are shared. The diagnostics name policies that cannot be enforced,
// whose routes are served without CORS, and what a user should know of the others.
func Snapshot(in *xds.Snapshot, o Options) (*xds.Snapshot, diag.List) {
	p := &pass{in: in, o: o, tables: map[string]bool{}, varied: map[string]bool{}, told: map[string]bool{}, compiled: newCompiled()}
	var err error
	if p.vary, err = varyFilter(); err != nil {
		p.fail(err)
	}
	if p.varyRoute, err = varyRoute(); err != nil {
		p.fail(err)
	}
	out := *in
	out.Origins = maps.Clone(in.Origins)
	if out.Origins == nil {
		out.Origins = map[string]diag.Pos{}
	}
	p.out = &out
	p.candidates = newCandidates(o.Candidate)
	p.findTables()
	out.Routes = nil
	for _, rc := range in.Routes {
		if p.tables[rc.GetName()] {
			rc, p.tables[rc.GetName()] = p.table(rc)
		}
		out.Routes = append(out.Routes, rc)
	}
	out.Listeners = nil
	for _, l := range in.Listeners {
		out.Listeners = append(out.Listeners, p.listener(l))
	}
	p.candidates.reportUnused(p)
	p.seal()
	p.diags.Sort()
	return &out, p.diags
}

// seal sets the version of the result. It follows from what the pass was given, which
// is much less to look at than what it made: the content of the input, the choices,
// and the places of the policies, which the routes carry.
func (p *pass) seal() {
	if p.in.Version == "" {
		p.out.Seal()
		return
	}
	h := sha256.New()
	fmt.Fprintln(h, p.in.Version, p.o.Settings)
	for _, owner := range slices.Sorted(maps.Keys(p.o.Objects)) {
		fmt.Fprintln(h, owner, p.o.Objects[owner])
	}
	if p.o.Candidate != nil {
		fmt.Fprintln(h, "trial", p.o.Candidate.Version)
	}
	for _, pos := range p.positions {
		fmt.Fprintln(h, pos)
	}
	p.out.Version = hex.EncodeToString(h.Sum(nil)[:8])
}

// pass is one run.
type pass struct {
	in, out    *xds.Snapshot
	o          Options
	vary       *hcmv3.HttpFilter
	varyRoute  *anypb.Any
	candidates *candidates
	compiled   *compiled
	// tables are the route configurations that managers with a CORS filter name;
	// true, once they are done, for those that have a policy.
	tables map[string]bool
	// varied are those whose routes use the filter for Vary.
	varied map[string]bool
	told   map[string]bool
	// positions are those that the routes carry, in their order.
	positions []string
	diags     diag.List
}

// fail notes what cannot happen with the messages that are made here.
func (p *pass) fail(err error) {
	p.report(diag.Error, CodeNotHardened, diag.Pos{}, "", "%v", err)
}

func (p *pass) report(s diag.Severity, code string, pos diag.Pos, object, format string, args ...any) {
	d := diag.Diagnostic{Pos: pos, Severity: s, Code: code, Object: object, Message: fmt.Sprintf(format, args...)}
	if key := d.String(); !p.told[key] {
		p.told[key] = true
		p.diags = append(p.diags, d)
	}
}
