package resource

import (
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	security "istio.io/api/security/v1beta1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// The kinds that are decoded.
const (
	KindGateway         = "Gateway"
	KindVirtualService  = "VirtualService"
	KindDestinationRule = "DestinationRule"
	KindServiceEntry    = "ServiceEntry"
	KindWorkloadEntry   = "WorkloadEntry"
	KindEnvoyFilter     = "EnvoyFilter"
	KindSidecar         = "Sidecar"
	// Of these a check reads the rules; nothing enforces them yet.
	KindAuthorizationPolicy = "AuthorizationPolicy"
	KindSecret              = "Secret"
	KindConfigMap           = "ConfigMap"
	KindService             = "Service"
	KindEndpointSlice       = "EndpointSlice"
)

// RootNamespace is where objects for the whole mesh stand: the root namespace of a
// plain Istio installation.
const RootNamespace = "istio-system"

// schema says how a kind is decoded.
type schema struct {
	group    string
	versions []string
	// spec makes the message of an Istio kind; object, the whole Kubernetes
	// object. One of them is set.
	spec   func() any
	object func() any
	// validate applies what istiod's validation refuses; nil for none.
	validate func(*validator)
}

var istioVersions = []string{"v1", "v1beta1", "v1alpha3"}

// schemaOf returns how an object is decoded, or nil when it is known by name at
// most.
func schemaOf(kind, group string) *schema {
	var s *schema
	switch kind {
	case KindGateway:
		s = istio(func() any { return new(networking.Gateway) }, validateGateway)
	case KindVirtualService:
		s = istio(func() any { return new(networking.VirtualService) }, validateVirtualService)
	case KindDestinationRule:
		s = istio(func() any { return new(networking.DestinationRule) }, validateDestinationRule)
	case KindServiceEntry:
		s = istio(func() any { return new(networking.ServiceEntry) }, validateServiceEntry)
	case KindWorkloadEntry:
		s = istio(func() any { return new(networking.WorkloadEntry) }, validateWorkloadEntry)
	case KindEnvoyFilter:
		s = istio(func() any { return new(networking.EnvoyFilter) }, validateEnvoyFilter)
	case KindSidecar:
		s = istio(func() any { return new(networking.Sidecar) }, nil)
	case KindAuthorizationPolicy:
		s = &schema{group: "security.istio.io", versions: istioVersions[:2], spec: func() any { return new(security.AuthorizationPolicy) }}
	case KindSecret:
		s = &schema{versions: []string{"v1"}, object: func() any { return new(corev1.Secret) }}
	case KindConfigMap:
		s = &schema{versions: []string{"v1"}, object: func() any { return new(corev1.ConfigMap) }, validate: validateConfigMap}
	case KindService:
		s = &schema{versions: []string{"v1"}, object: func() any { return new(corev1.Service) }}
	case KindEndpointSlice:
		s = &schema{group: "discovery.k8s.io", versions: []string{"v1"}, object: func() any { return new(discoveryv1.EndpointSlice) }}
	}
	if s == nil || s.group != group {
		return nil
	}
	return s
}

func istio(spec func() any, validate func(*validator)) *schema {
	return &schema{group: "networking.istio.io", versions: istioVersions, spec: spec, validate: validate}
}

// keyKind returns the kind as keys have it: bare in Istio's and Kubernetes' own
// groups, else with the group behind it.
func keyKind(kind, group string) string {
	switch group {
	case "", "apps", "batch", "discovery.k8s.io", "networking.istio.io", "security.istio.io", "telemetry.istio.io", "extensions.istio.io":
		return kind
	}
	return kind + "." + group
}

// clusterScoped reports whether objects of a kind have no namespace.
func clusterScoped(kind string) bool {
	switch kind {
	case "Namespace", "Node", "PersistentVolume",
		"ClusterRole.rbac.authorization.k8s.io", "ClusterRoleBinding.rbac.authorization.k8s.io",
		"CustomResourceDefinition.apiextensions.k8s.io", "GatewayClass.gateway.networking.k8s.io",
		"IngressClass.networking.k8s.io", "StorageClass.storage.k8s.io",
		"MutatingWebhookConfiguration.admissionregistration.k8s.io",
		"ValidatingWebhookConfiguration.admissionregistration.k8s.io":
		return true
	}
	return false
}

// groupVersion cuts an apiVersion; the core group is empty.
func groupVersion(apiVersion string) (group, version string) {
	if group, version, ok := strings.Cut(apiVersion, "/"); ok {
		return group, version
	}
	return "", apiVersion
}
