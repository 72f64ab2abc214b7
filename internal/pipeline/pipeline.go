package pipeline

import (
	"cmp"
	"strings"
	"time"

	"github.com/crossgate/crossgate/internal/check"
	"github.com/crossgate/crossgate/internal/devkit"
	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/source"
	"github.com/crossgate/crossgate/internal/translate"
	"github.com/crossgate/crossgate/internal/xds"
)

// Options are the choices of a user about how inputs become a snapshot. Every
// command that takes them makes the same snapshot of the same input.
type Options struct {
	Translate translate.Options
	// Profile is what becomes of the CORS policies.
	Profile Profile
	// Ports are used to find listeners that would collide.
	Ports xds.Ports
	// AllowUnenforced serves a configuration although it asks for protection
	// that is not built.
	AllowUnenforced bool
	// DevCertificates makes the certificates that a Gateway names and the input
	// does not have; nil makes none.
	DevCertificates Certificates
}

// Certificates makes certificates for hosts; devkit.CA does.
type Certificates interface {
	// Leaf returns a certificate for hosts, and those it cannot be for.
	Leaf(hosts []string) (leaf *devkit.Leaf, skipped []string, err error)
}

// Result is what became of one state of the inputs.
type Result struct {
	// Set are the objects in use.
	Set *resource.Set
	// Kept are the objects that are in use in their last good version because
	// the input has them wrong.
	Kept []resource.Key
	// Snapshot is the configuration for the data planes, never nil.
	Snapshot *xds.Snapshot
	// Diags is all that is wrong or worth knowing, sorted.
	Diags diag.List
	// Refused are those of Diags for which the snapshot must not be served:
	// the input asks for protection that would not be there. Empty with
	// AllowUnenforced.
	Refused diag.List
	// Published says that the sinks have the snapshot, now or from before;
	// Changed, that this result brought it. Run sets both.
	Published, Changed bool
}

// Builder turns states of the inputs into snapshots, one after the other. It
// remembers the last good version of every object. It is not safe for
// concurrent use.
type Builder struct {
	opts    Options
	overlay overlay
}

// NewBuilder returns a Builder that remembers nothing.
func NewBuilder(o Options) *Builder { return &Builder{opts: o} }

// Build makes the snapshot for the state u of the inputs.
func (b *Builder) Build(u *source.Update) *Result {
	diags := u.Diagnostics()
	rs, kept := b.overlay.apply(u)
	set, duplicates := resource.NewSet(rs)
	diags = append(diags, duplicates...)

	served, trial := onTrial(set)
	found := check.Run(served, b.checkOptions())
	found = append(found, b.unread(u)...)
	diags = append(diags, found...)
	served, made := b.addCertificates(served, badKeys(u))
	diags = append(diags, made...)
	snapshot, translated := b.snapshot(served, trial)
	diags = append(diags, translated...)
	diags = append(diags, b.opts.Ports.Collisions(snapshot)...)
	diags.Sort()
	return &Result{Set: set, Kept: kept, Snapshot: snapshot, Diags: diags, Refused: refused(append(found, translated...))}
}

// Snapshot makes the snapshot of objects that Build has returned, some of them changed perhaps.
func (b *Builder) Snapshot(set *resource.Set) (*xds.Snapshot, diag.List) {
	served, trial := onTrial(set)
	served, _ = b.addCertificates(served, nil)
	return b.snapshot(served, trial)
}

func (b *Builder) snapshot(served *resource.Set, trial []*resource.Resource) (*xds.Snapshot, diag.List) {
	opts := b.opts.Translate
	opts.Now = time.Now()
	opts.AllowUnenforced = b.opts.AllowUnenforced
	return b.opts.Profile.snapshot(served, trial, opts)
}

func (b *Builder) checkOptions() check.Options {
	o := check.Options{AllowUnenforced: b.opts.AllowUnenforced, SynthesizeGateways: b.opts.Translate.SynthesizeGateways}
	for _, u := range b.opts.Translate.Upstreams {
		o.Services = append(o.Services, u.Host)
	}
	return o
}

// unread finds files of which a part cannot be used and may be protection: to serve
// without knowing would be to fail open.
func (b *Builder) unread(u *source.Update) diag.List {
	severity := diag.Error
	if b.opts.AllowUnenforced {
		severity = diag.Warning
	}
	var l diag.List
	for _, f := range u.Files {
		if f.MayGuard {
			l = append(l, diag.Diagnostic{
				Pos: diag.Pos{File: f.Path, Line: 1}, Severity: severity, Code: check.CodeUnenforced,
				Message: "the file has kinds that keep requests out, and a part of it cannot be used: what it protects is not known",
			})
		}
	}
	return l
}

// refused returns the findings that forbid serving.
func refused(found diag.List) diag.List {
	var l diag.List
	for _, d := range found {
		if d.Severity == diag.Error && d.Code == check.CodeUnenforced {
			l = append(l, d)
		}
	}
	return l
}

func badKeys(u *source.Update) map[resource.Key]bool {
	bad := make(map[resource.Key]bool)
	for _, f := range u.Files {
		for _, k := range f.Bad {
			bad[k] = true
		}
	}
	return bad
}

func compareKeys(a, b resource.Key) int {
	return cmp.Or(
		strings.Compare(a.Kind, b.Kind),
		strings.Compare(a.Namespace, b.Namespace),
		strings.Compare(a.Name, b.Name),
	)
}
