package translate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/xds"
)

// destination returns the name of the cluster for a destination. Like istiod it
// names one even if there is none, which makes Envoy answer 503; it says so.
func (t *translator) destination(b *routeBuilder, dst *networking.Destination, path string) string {
	host := dst.GetHost()
	svc := t.services.find(host, b.vs.Namespace)
	if svc != nil && svc.alias != "" {
		return t.aliased(b, dst, path, svc)
	}
	port := b.server.port()
	if dst.GetPort() != nil {
		port = dst.GetPort().GetNumber()
	} else if svc != nil && len(svc.ports) == 1 {
		port = svc.ports[0].number
	}
	t.checkDestination(b, dst, path, host, port, svc)
	return xds.ClusterName(port, dst.GetSubset(), host)
}

// checkDestination reports, once per place, why a destination answers 503.
func (t *translator) checkDestination(b *routeBuilder, dst *networking.Destination, path, host string, port uint32, svc *service) {
	report := func(s diag.Severity, code, field, format string, args ...any) {
		t.reportOnce(s, code, b.from, path+field, format, args...)
	}
	flag := fmt.Sprintf("--upstream %s:%d=127.0.0.1:3000", t.shortHost(host), port)
	switch {
	case svc == nil:
		return // reportUnknown says so.
	case dst.GetPort() == nil && len(svc.ports) > 1:
		report(diag.Error, CodePortRequired, "", "the destination needs a port: %s has the ports %s", host, svc.portList())
		return
	}
	sp, ok := svc.port(port)
	if !ok {
		report(diag.Warning, CodeReference, ".port.number", "%s has no port %d (it has %s), so requests are answered 503", host, port, svc.portList())
		return
	}
	sub, ok := t.subset(svc, dst.GetSubset())
	if !ok {
		return // The check of references says so.
	}
	cluster := &clusterBuilder{t: t, svc: svc, port: sp, sub: sub, rule: t.ruleFor(svc.host, svc.Namespace)}
	cluster.effective()
	if lb := cluster.byDestination(); lb != nil {
		from, at := cluster.balancedAt(lb)
		t.reportOnce(diag.Warning, CodeNoEndpoints, from, at,
			"PASSTHROUGH sends requests to the address that the client meant, which a gateway does not know: those to %s port %d are answered 503; ROUND_ROBIN or another balancer sends them to the endpoints",
			strings.TrimSuffix(host+" subset "+dst.GetSubset(), " subset "), port)
		return
	}
	if !slices.ContainsFunc(svc.endpointsFor(sp, sub), endpoint.takesTraffic) {
		// The Service of a cluster has its endpoints there: nothing to repair.
		report(diag.Info, CodeNoEndpoints, ".host", "%s has no endpoints in the input, so requests are answered 503; to send them somewhere add %s",
			strings.TrimSuffix(host+" subset "+dst.GetSubset(), " subset "), flag)
	}
}

// reportUnknown finds destinations that are no service, also where nothing else of
// the VirtualService is served.
func (t *translator) reportUnknown() {
	for _, vs := range t.virtualServices {
		unknown := func(dst *networking.Destination, path string) {
			host := fullName(dst.GetHost(), vs.Namespace, t.domain)
			if dst == nil || t.services.find(host, vs.Namespace) != nil {
				return
			}
			port := cmp.Or(dst.GetPort().GetNumber(), 80)
			t.report(diag.Warning, CodeReference, vs.Resource, path+".host",
				"no service %s is known, so requests are answered 503; to send them somewhere add --upstream %s:%d=127.0.0.1:3000", host, t.shortHost(host), port)
		}
		for i, h := range vs.spec.GetHttp() {
			path := fmt.Sprintf("spec.http[%d]", i)
			for j, d := range h.GetRoute() {
				unknown(d.GetDestination(), fmt.Sprintf("%s.route[%d].destination", path, j))
			}
			unknown(h.GetMirror(), path+".mirror")
			for j, m := range h.GetMirrors() {
				unknown(m.GetDestination(), fmt.Sprintf("%s.mirrors[%d].destination", path, j))
			}
		}
	}
}

// shortHost is the shortest form of a host that --upstream takes.
func (t *translator) shortHost(host string) string {
	return strings.TrimSuffix(host, ".svc."+t.domain)
}

// aliased is destination for a Service of type ExternalName: the cluster is that
// of the host that it stands for.
func (t *translator) aliased(b *routeBuilder, dst *networking.Destination, path string, alias *service) string {
	port := b.server.port()
	if dst.GetPort() != nil {
		port = dst.GetPort().GetNumber()
	} else if len(alias.ports) == 1 {
		port = alias.ports[0].number
	}
	t.checkDestination(b, dst, path, alias.alias, port, t.services.find(alias.alias, b.vs.Namespace))
	return xds.ClusterName(port, dst.GetSubset(), alias.alias)
}
