package check

import (
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// unknownHost finds DestinationRules for services that are not given.
func unknownHost() *Check {
	return &Check{
		Name: "unknown-host",
		Code: CodeUnknownHost,
		Doc: "The host of a DestinationRule is no service: no Service, no ServiceEntry and no --upstream has it, or none that its namespace " +
			"sees. Write the name right, NAME.NAMESPACE.svc.cluster.local where it is in another namespace, or give the service too.",
		Run: func(p *Pass) {
			rules := p.Set.Kind(resource.KindDestinationRule)
			if len(rules) == 0 {
				return
			}
			services := serviceHosts(p.Set)
			for _, r := range rules {
				dr := r.Spec.(*networking.DestinationRule)
				host := fullHost(dr.Host, r.Namespace)
				if !services.has(r.Namespace, dr.ExportTo, host) && !p.Options.given(host) {
					p.Report(r, "spec.host", diag.Warning, "no service %s is known, so the rule has no effect", host)
				}
			}
		},
	}
}

// given reports whether the user says where a service is: by its full name, as
// name.namespace or by its bare name.
func (o Options) given(host string) bool {
	short := strings.TrimSuffix(host, ".svc.cluster.local")
	name, _, _ := strings.Cut(short, ".")
	for _, s := range o.Services {
		if s == host || s == short || short != host && s == name {
			return true
		}
	}
	return false
}

// services are the hosts of services by the namespace that sees them.
type services map[string]map[string]bool

func (s services) add(scope, host string) {
	if s[scope] == nil {
		s[scope] = make(map[string]bool)
	}
	s[scope][host] = true
}

// has reports whether there is a service for a host that an object of a namespace
// refers to, as GetDestinationHost of istio's analyzers looks for it: what all
// see, what those see to whom the object is exported, wildcards at last.
func (s services) has(namespace string, exportTo []string, host string) bool {
	scopes := []string{everywhere}
	if len(exportTo) == 0 {
		scopes = append(scopes, namespace)
	}
	for _, e := range exportTo {
		if e == "." {
			e = namespace
		}
		scopes = append(scopes, e)
	}
	for _, scope := range scopes {
		if s[scope][host] {
			return true
		}
	}
	for _, w := range wildcardsOf(host) {
		if s[everywhere][w] || s[namespace][w] {
			return true
		}
	}
	return false
}

func serviceHosts(set *resource.Set) services {
	out := make(services)
	add := func(r *resource.Resource, exportTo []string, hosts ...string) {
		if len(exportTo) == 0 {
			exportTo = []string{everywhere}
		}
		for _, scope := range exportTo {
			if scope == "." {
				scope = r.Namespace
			}
			for _, h := range hosts {
				out.add(scope, fullHost(h, r.Namespace))
			}
		}
	}
	for _, r := range set.Kind(resource.KindServiceEntry) {
		se := r.Spec.(*networking.ServiceEntry)
		add(r, se.ExportTo, se.Hosts...)
	}
	for _, r := range set.Kind(resource.KindService) {
		var exportTo []string
		for _, s := range strings.Split(r.Annotations["networking.istio.io/exportTo"], ",") {
			if s = strings.TrimSpace(s); s != "" {
				exportTo = append(exportTo, s)
			}
		}
		add(r, exportTo, r.Name)
	}
	return out
}
