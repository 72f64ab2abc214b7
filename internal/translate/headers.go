package translate

import (
	"maps"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	networking "istio.io/api/networking/v1alpha3"
)

// headerOps are the header changes of a route or a weighted destination.
type headerOps struct {
	requestAdd, responseAdd       []*corev3.HeaderValueOption
	requestRemove, responseRemove []string
	// authority is the value set for the Host header, which Envoy changes by
	// another field.
	authority string
}

// headerOperations translates the changes: set before add, each sorted by name.
func headerOperations(h *networking.Headers) headerOps {
	req, resp := h.GetRequest(), h.GetResponse()
	o := headerOps{
		requestAdd:     append(headerValues(req.GetSet(), false), headerValues(req.GetAdd(), true)...),
		responseAdd:    append(headerValues(resp.GetSet(), false), headerValues(resp.GetAdd(), true)...),
		requestRemove:  withoutPseudo(req.GetRemove()),
		responseRemove: withoutPseudo(resp.GetRemove()),
		authority:      authority(req.GetAdd()),
	}
	if set := authority(req.GetSet()); set != "" {
		o.authority = set
	}
	return o
}

// applyTo appends the operations to those of a route.
func (o headerOps) applyTo(r *routev3.Route) {
	r.RequestHeadersToAdd = append(r.RequestHeadersToAdd, o.requestAdd...)
	r.RequestHeadersToRemove = append(r.RequestHeadersToRemove, o.requestRemove...)
	r.ResponseHeadersToAdd = append(r.ResponseHeadersToAdd, o.responseAdd...)
	r.ResponseHeadersToRemove = append(r.ResponseHeadersToRemove, o.responseRemove...)
}

func headerValues(values map[string]string, add bool) []*corev3.HeaderValueOption {
	action := corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD
	if add {
		action = corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD
	}
	var out []*corev3.HeaderValueOption
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if isPseudo(name) {
			continue
		}
		out = append(out, &corev3.HeaderValueOption{
			Header:       &corev3.HeaderValue{Key: name, Value: values[name]},
			AppendAction: action,
		})
	}
	return out
}

// isPseudo reports whether Envoy refuses to change a header by these means.
func isPseudo(name string) bool {
	return strings.HasPrefix(name, ":") || strings.EqualFold(name, "host")
}

func withoutPseudo(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), isPseudo)
}

func authority(values map[string]string) string {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if strings.EqualFold(name, "host") || strings.EqualFold(name, ":authority") {
			return values[name]
		}
	}
	return ""
}
