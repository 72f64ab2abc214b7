package translate

import "slices"

// Node is the proxy that a snapshot is made for.
type Node struct {
	Name, Namespace string
	// Labels are what a Gateway's selector is matched against.
	Labels map[string]string
}

// DefaultNode is the ingress gateway of a plain Istio installation.
func DefaultNode() Node {
	return Node{
		Name:      "istio-ingressgateway",
		Namespace: "istio-system",
		Labels:    map[string]string{"istio": "ingressgateway", "app": "istio-ingressgateway"},
	}
}

// matches reports whether the node carries all labels of a selector; the empty
// selector matches every node.
func (n Node) matches(selector map[string]string) bool {
	return subset(selector, n.Labels)
}

// sees reports whether a resource of namespace ns with this exportTo list is
// visible to the node: to all ("*" or empty), to its own namespace ("."), to
// none ("~") or to named namespaces.
func (n Node) sees(exportTo []string, ns string) bool { return exportedTo(exportTo, ns, n.Namespace) }

// exportedTo reports whether an object of a namespace is visible in another.
func exportedTo(list []string, from, to string) bool {
	return len(list) == 0 || slices.Contains(list, "*") || slices.Contains(list, to) || slices.Contains(list, ".") && from == to
}

func subset(want, have map[string]string) bool {
	for k, v := range want {
		if got, ok := have[k]; !ok || got != v {
			return false
		}
	}
	return true
}
