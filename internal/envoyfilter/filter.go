package envoyfilter

import (
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/anypb"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/xds"
)

// managerName is the one name by which a network filter is looked into.
const managerName = "envoy.filters.network.http_connection_manager"

// networkFilters patches the filters of a chain: first which ones there are,
// then what is in them.
func (a *applier) networkFilters(l *listenerv3.Listener, fc *listenerv3.FilterChain) {
	var here []*patch
	for _, p := range a.patches[networking.EnvoyFilter_NETWORK_FILTER] {
		if !p.matchesListener(l) || !p.matchesChain(fc) {
			continue
		}
		here = append(here, p)
		fc.Filters = edit(a, p, fc.Filters, p.namesFilter(), func(f *listenerv3.Filter) bool { return p.matchesFilter(f.GetName()) })
	}
	for _, f := range fc.GetFilters() {
		for _, p := range here {
			if p.op == networking.EnvoyFilter_Patch_MERGE && p.matchesFilter(f.GetName()) {
				a.mergeFilter(p, f)
			}
		}
		if f.GetName() == managerName {
			a.httpFilters(l, fc, f)
		}
	}
}

// mergeFilter merges the name and the configuration of a network filter. One
// without a configuration is left alone.
func (a *applier) mergeFilter(p *patch, f *listenerv3.Filter) {
	value := p.value.(*listenerv3.Filter)
	merged, ok := a.mergeConfig(p, f.GetTypedConfig(), value.GetTypedConfig())
	if !ok {
		return
	}
	if value.GetName() != "" {
		f.Name = value.GetName()
	}
	f.ConfigType = &listenerv3.Filter_TypedConfig{TypedConfig: merged}
}

// mergeConfig returns the configuration of a filter after a patch's.
func (a *applier) mergeConfig(p *patch, have, want *anypb.Any) (*anypb.Any, bool) {
	if have == nil {
		return nil, false
	}
	if want != nil {
		merged, err := mergePacked(have, want)
		if err != nil {
			a.skip(p, "%v", err)
			return nil, false
		}
		have = merged
	}
	a.apply(p)
	return have, true
}

// httpFilters patches the filters in an HTTP connection manager.
func (a *applier) httpFilters(l *listenerv3.Listener, fc *listenerv3.FilterChain, f *listenerv3.Filter) {
	manager := xds.ConnectionManager(f)
	if manager == nil {
		return
	}
	var here []*patch
	for _, p := range a.patches[networking.EnvoyFilter_HTTP_FILTER] {
		if !p.matchesListener(l) || !p.matchesChain(fc) || !p.matchesFilter(f.GetName()) {
			continue
		}
		here = append(here, p)
		manager.HttpFilters = edit(a, p, manager.HttpFilters, p.namesSubFilter(), func(h *hcmv3.HttpFilter) bool {
			return p.matchesSubFilter(h.GetName())
		})
		a.checkLast(p, manager)
	}
	if len(here) == 0 {
		return
	}
	for _, h := range manager.GetHttpFilters() {
		for _, p := range here {
			if p.op != networking.EnvoyFilter_Patch_MERGE || !p.matchesSubFilter(h.GetName()) {
				continue
			}
			value := p.value.(*hcmv3.HttpFilter)
			merged, ok := a.mergeConfig(p, h.GetTypedConfig(), value.GetTypedConfig())
			if !ok {
				continue
			}
			if value.GetName() != "" {
				h.Name = value.GetName()
			}
			h.ConfigType = &hcmv3.HttpFilter_TypedConfig{TypedConfig: merged}
		}
	}
	packed, err := xds.Pack(manager)
	if err != nil {
		for _, p := range here {
			a.skip(p, "%v", err)
		}
		return
	}
	f.ConfigType = &listenerv3.Filter_TypedConfig{TypedConfig: packed}
}

const routerType = "envoy.extensions.filters.http.router.v3.Router"

// checkLast tells of a patch that puts a filter behind the router. It stays in
// force: that is the way to a first and a second router of other patches too.
func (a *applier) checkLast(p *patch, m *hcmv3.HttpConnectionManager) {
	n := len(m.GetHttpFilters())
	if !p.used || n < 2 || (p.op != networking.EnvoyFilter_Patch_ADD && p.op != networking.EnvoyFilter_Patch_INSERT_AFTER) {
		return
	}
	if string(m.GetHttpFilters()[n-2].GetTypedConfig().MessageName()) == routerType {
		a.report(diag.Warning, CodeSkipped, p.filter, p.path("patch.operation"),
			"the filter stands behind the router, which must be the last: the filter chain is refused; use INSERT_BEFORE")
	}
}
