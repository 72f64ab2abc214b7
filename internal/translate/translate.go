package translate

import (
	"cmp"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/envoyfilter"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/xds"
)

// Options are the inputs of a translation beside the resources.
type Options struct {
	Node Node
	// Upstreams replace the endpoints of services.
	Upstreams []Upstream
	// SynthesizeGateways makes a Gateway on port 80 for VirtualServices that
	// bind to one which does not exist.
	SynthesizeGateways bool
	// MeshDomain completes short service names; empty means cluster.local.
	MeshDomain string
	// RunsAllFilters says that the snapshot is for a stock Envoy, which runs
	// every filter that an EnvoyFilter can add.
	RunsAllFilters bool
	// AllowUnenforced leaves out, with a warning, what an EnvoyFilter adds to
	// keep requests out and the engine does not run.
	AllowUnenforced bool
	// Now is the time that certificates must be valid at; zero skips the test.
	Now time.Time
}

// Snapshot translates the resources for a gateway node. The diagnostics say
// what was left out and why; the snapshot is always usable.
func Snapshot(set *resource.Set, o Options) (*xds.Snapshot, diag.List) {
	t := &translator{
		set:          set,
		node:         o.Node,
		domain:       cmp.Or(o.MeshDomain, "cluster.local"),
		now:          o.Now,
		origin:       make(map[*routev3.Route]diag.Pos),
		policyOrigin: make(map[*routev3.Route]diag.Pos), forwardOrigin: make(map[*routev3.Route]diag.Pos),
		told: make(map[string]bool),
		out:  &xds.Snapshot{Origins: make(map[string]diag.Pos)},
	}
	t.services = t.collectServices()
	t.rules = t.collectRules()
	t.virtualServices = t.collectVirtualServices()
	t.applyUpstreams(o.Upstreams)

	ports := t.mergeGateways(t.gateways(o.SynthesizeGateways))
	for _, p := range ports {
		t.listener(p)
	}
	t.reportUnserved()
	t.reportUnknown()
	t.clusters()
	t.diags = append(t.diags, envoyfilter.Apply(t.out, set, t.filterOptions(o))...)
	t.out.Seal()
	t.diags.Sort()
	return t.out, t.diags
}

// translator is the state of one translation.
type translator struct {
	set    *resource.Set
	node   Node
	domain string
	now    time.Time

	services        *registry
	rules           *ruleIndex
	virtualServices []*virtualService

	// origin remembers where a route was written until its place is known.
	origin map[*routev3.Route]diag.Pos
	// policyOrigin does so for the CORS policy of a route that has one.
	policyOrigin map[*routev3.Route]diag.Pos
	// forwardOrigin is where a policy says that preflights which it does not allow
	// are passed on.
	forwardOrigin map[*routev3.Route]diag.Pos
	// told holds the diagnostics that a route of several matches would repeat.
	told map[string]bool

	out   *xds.Snapshot
	diags diag.List
}

// filterOptions is what EnvoyFilters can ask about the node.
func (t *translator) filterOptions(o Options) envoyfilter.Options {
	return envoyfilter.Options{
		Name: t.node.Name, Namespace: t.node.Namespace, Labels: t.node.Labels,
		Metadata: map[string]string{
			"NAME": t.node.Name, "NAMESPACE": t.node.Namespace, "CLUSTER_ID": clusterID, "ISTIO_VERSION": istioVersion,
		},
		RunsAll: o.RunsAllFilters, AllowUnenforced: o.AllowUnenforced,
	}
}

// istioVersion is the Istio whose gateway this is: what an EnvoyFilter's
// proxyVersion is matched against.
const istioVersion = "1.31.0"

// report adds a diagnostic about a field of an object.
func (t *translator) report(s diag.Severity, code string, r *resource.Resource, path, format string, args ...any) {
	t.diags = append(t.diags, diag.Diagnostic{
		Pos:      r.Position(path),
		Severity: s,
		Code:     code,
		Object:   r.Key.String(),
		Path:     path,
		Message:  fmt.Sprintf(format, args...),
	})
}

// reportOnce is report for what several routes or clusters would repeat.
func (t *translator) reportOnce(s diag.Severity, code string, r *resource.Resource, path, format string, args ...any) {
	t.tell(diag.Diagnostic{
		Pos: r.Position(path), Severity: s, Code: code, Object: r.Key.String(), Path: path, Message: fmt.Sprintf(format, args...),
	})
}

// tell adds a diagnostic unless it is there already.
func (t *translator) tell(d diag.Diagnostic) {
	if key := d.String(); !t.told[key] {
		t.told[key] = true
		t.diags = append(t.diags, d)
	}
}

// pack wraps a message for a typed_config. A message that cannot be marshalled
// (text that is not UTF-8) is reported; the caller leaves out what needs it.
func (t *translator) pack(r *resource.Resource, path string, m proto.Message) *anypb.Any {
	a, err := xds.Pack(m)
	if err != nil {
		t.report(diag.Error, CodeDropped, r, path, "left out: %v", err)
		return nil
	}
	return a
}

// at is the path of an element of a list.
func at(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
