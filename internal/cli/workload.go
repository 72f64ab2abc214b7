package cli

import (
	"maps"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/crossgate/crossgate/internal/stats"
	"github.com/crossgate/crossgate/internal/translate"
)

// Keys of a proxy's metadata, and the labels in it that metrics show. Istio's
// agent writes them and Istio's stats filter reads them (contrib/istio of Envoy,
// Context and metadata_object).
const (
	metaWorkload  = "WORKLOAD_NAME"
	metaNamespace = "NAMESPACE"
	metaCluster   = "CLUSTER_ID"
	metaLabels    = "LABELS"

	labelApp               = "app"
	labelVersion           = "version"
	labelCanonicalService  = "service.istio.io/canonical-name"
	labelCanonicalRevision = "service.istio.io/canonical-revision"

	// clusterID is what istiod calls its cluster unless it is told otherwise.
	clusterID = "Kubernetes"
)

// nodeMetadata is what Istio's agent would say of the node.
func nodeMetadata(n translate.Node) *structpb.Struct {
	labels := maps.Clone(n.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	// As the injector labels a Pod that does not say it itself.
	defaultLabel(labels, labelCanonicalService, labels[labelApp], n.Name)
	defaultLabel(labels, labelCanonicalRevision, labels[labelVersion], "latest")
	return textStruct(map[string]string{metaWorkload: n.Name, metaNamespace: n.Namespace, metaCluster: clusterID},
		map[string]*structpb.Value{metaLabels: structpb.NewStructValue(textStruct(labels, nil))})
}

func defaultLabel(labels map[string]string, key string, values ...string) {
	for _, v := range values {
		if labels[key] == "" {
			labels[key] = v
		}
	}
}

func textStruct(texts map[string]string, more map[string]*structpb.Value) *structpb.Struct {
	fields := make(map[string]*structpb.Value, len(texts)+len(more))
	for k, v := range texts {
		fields[k] = structpb.NewStringValue(v)
	}
	maps.Copy(fields, more)
	return &structpb.Struct{Fields: fields}
}

// workloadOf is the workload that a proxy is, by its metadata.
func workloadOf(n *corev3.Node) stats.Workload {
	fields := n.GetMetadata().GetFields()
	labels := fields[metaLabels].GetStructValue().GetFields()
	return stats.Workload{
		Name:              fields[metaWorkload].GetStringValue(),
		Namespace:         fields[metaNamespace].GetStringValue(),
		Cluster:           fields[metaCluster].GetStringValue(),
		App:               labels[labelApp].GetStringValue(),
		Version:           labels[labelVersion].GetStringValue(),
		CanonicalService:  labels[labelCanonicalService].GetStringValue(),
		CanonicalRevision: labels[labelCanonicalRevision].GetStringValue(),
	}
}
