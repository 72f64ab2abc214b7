package resource

import (
	"time"

	"github.com/crossgate/crossgate/internal/diag"
)

// Key names an object. Namespace is never empty for namespaced kinds: input
// without one gets the default namespace of its source. Kind is the bare kind
// ("Gateway") for what crossgate knows; a kind of another API group with the same
// word carries its group ("Gateway.gateway.networking.k8s.io"), so that it is
// never taken for ours.
type Key struct {
	Kind, Namespace, Name string
}

// String renders the key as "Kind namespace/name", or "Kind name" where the kind
// has no namespace.
func (k Key) String() string {
	if k.Namespace == "" {
		return k.Kind + " " + k.Name
	}
	return k.Kind + " " + k.Namespace + "/" + k.Name
}

// Resource is one object of the input, decoded and immutable.
type Resource struct {
	Key
	// APIVersion as written: networking.istio.io/v1beta1.
	APIVersion  string
	Labels      map[string]string
	Annotations map[string]string
	// Created orders objects as istiod does where it is known; zero in most files,
	// which is the time at which they are applied.
	Created time.Time
	// Spec is the typed content. Istio kinds: the message of
	// istio.io/api/networking/v1alpha3 (*Gateway, *VirtualService,
	// *DestinationRule, *ServiceEntry, …). Kubernetes kinds: the whole object
	// (*corev1.Secret, *corev1.Service, *discoveryv1.EndpointSlice). Nil for
	// kinds that crossgate knows by name only.
	Spec any
	// Hash identifies the content as written, positions and comments apart: two
	// objects of one key and one Hash mean the same.
	Hash string
	// Pos is where the object's document begins.
	Pos diag.Pos
	// At returns the position of a field path such as
	// "spec.http[0].corsPolicy.allowOrigins[1].regex": the value's place, that
	// of the nearest parent that is written where the field is not. It never
	// returns a zero position for an object that came from a file.
	At func(path string) diag.Pos
}

// Position is where a field is written; Pos for an object that does not know, as
// one that was made up.
func (r *Resource) Position(path string) diag.Pos {
	if r.At == nil {
		return r.Pos
	}
	return r.At(path)
}
