package envoyfilter

import (
	"slices"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	"google.golang.org/protobuf/proto"
	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/xds"
)

// listeners patches each listener from the outside inwards, then adds new ones,
// which no other patch touches.
func (a *applier) listeners() {
	list := slices.DeleteFunc(a.snapshot.Listeners, func(l *listenerv3.Listener) bool { return !a.listener(l) })
	for _, p := range a.patches[networking.EnvoyFilter_LISTENER] {
		if p.op == networking.EnvoyFilter_Patch_ADD {
			l := proto.Clone(p.value).(*listenerv3.Listener)
			a.apply(p)
			list = append(list, l)
			a.snapshot.Origins[xds.ListenerKey(l.GetName())] = p.pos()
		}
	}
	a.snapshot.Listeners = list
}

// listener patches a listener; false means that it is removed.
func (a *applier) listener(l *listenerv3.Listener) bool {
	for _, p := range a.patches[networking.EnvoyFilter_LISTENER] {
		switch {
		case !p.matchesListener(l):
		case p.op == networking.EnvoyFilter_Patch_REMOVE:
			a.apply(p)
			delete(a.snapshot.Origins, xds.ListenerKey(l.GetName()))
			return false
		case p.merges():
			mergeInto(a, p, l)
		}
	}
	a.listenerFilters(l)
	a.filterChains(l)
	return true
}

func (a *applier) listenerFilters(l *listenerv3.Listener) {
	for _, p := range a.patches[networking.EnvoyFilter_LISTENER_FILTER] {
		if !p.matchesListener(l) {
			continue
		}
		if p.op != networking.EnvoyFilter_Patch_MERGE {
			l.ListenerFilters = edit(a, p, l.ListenerFilters, p.namesListenerFilter(), func(f *listenerv3.ListenerFilter) bool {
				return p.matchesListenerFilter(f.GetName())
			})
			continue
		}
		for _, f := range l.GetListenerFilters() {
			a.mergeListenerFilter(p, f)
		}
	}
}

// mergeListenerFilter merges into every filter of the type, whatever its name
// is: istiod asks for a name in the match and then does not compare it.
func (a *applier) mergeListenerFilter(p *patch, f *listenerv3.ListenerFilter) {
	value := p.value.(*listenerv3.ListenerFilter).GetTypedConfig()
	if !p.namesListenerFilter() || value.GetTypeUrl() != f.GetTypedConfig().GetTypeUrl() {
		return
	}
	merged, err := mergePacked(f.GetTypedConfig(), value)
	if err != nil {
		a.skip(p, "%v", err)
		return
	}
	a.apply(p)
	f.ConfigType = &listenerv3.ListenerFilter_TypedConfig{TypedConfig: merged}
}

// filterChains patches the chains of a listener, then adds new ones.
func (a *applier) filterChains(l *listenerv3.Listener) {
	l.FilterChains = slices.DeleteFunc(l.FilterChains, func(fc *listenerv3.FilterChain) bool { return !a.filterChain(l, fc) })
	if fc := l.GetDefaultFilterChain(); fc != nil && !a.filterChain(l, fc) {
		l.DefaultFilterChain = nil
	}
	for _, p := range a.patches[networking.EnvoyFilter_FILTER_CHAIN] {
		if p.op == networking.EnvoyFilter_Patch_ADD && p.matchesListener(l) {
			a.apply(p)
			// One without filters is taken away again.
			if fc := proto.Clone(p.value).(*listenerv3.FilterChain); len(fc.GetFilters()) > 0 {
				l.FilterChains = append(l.FilterChains, fc)
			}
		}
	}
}

// filterChain patches a chain; false means that it is removed.
func (a *applier) filterChain(l *listenerv3.Listener, fc *listenerv3.FilterChain) bool {
	for _, p := range a.patches[networking.EnvoyFilter_FILTER_CHAIN] {
		switch {
		case !p.matchesListener(l) || !p.matchesChain(fc):
		case p.op == networking.EnvoyFilter_Patch_REMOVE:
			a.apply(p)
			return false
		case p.merges():
			a.mergeChain(p, fc)
		}
	}
	a.networkFilters(l, fc)
	return true
}

// mergeChain merges a chain. If both have a transport socket of one name, only
// its configuration is merged and the rest of the patch is lost, as in istiod.
func (a *applier) mergeChain(p *patch, fc *listenerv3.FilterChain) {
	have, want := fc.GetTransportSocket(), p.value.(*listenerv3.FilterChain).GetTransportSocket()
	if have == nil || want == nil || have.GetName() != want.GetName() {
		mergeInto(a, p, fc)
		return
	}
	if have.GetTypedConfig() == nil || want.GetTypedConfig() == nil {
		return
	}
	merged, err := mergePacked(have.GetTypedConfig(), want.GetTypedConfig())
	if err != nil {
		a.skip(p, "%v", err)
		return
	}
	a.apply(p)
	have.GetTypedConfig().Value = merged.GetValue()
}
