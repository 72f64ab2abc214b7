package translate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
	_ "github.com/crossgate/crossgate/internal/xds" // The extension types of the recordings.
)

// recordedNode is the gateway that asked istiod for the recordings.
func recordedNode() Node {
	n := DefaultNode()
	n.Namespace = "default"
	return n
}

// TestIstiod compares snapshots with what a real istiod 1.31 sent for the same
// inputs. The folders generated-* are those of 500 random inputs that together have
// every field and value of all. What may differ is listed, with reasons, in
// testdata/istiod/differences.txt; an entry that no longer differs fails.
func TestIstiod(t *testing.T) {
	allowed := differences(t)
	for _, dir := range recordings(t, func(name string) bool { return !strings.HasPrefix(name, "refused-") }) {
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) {
			set := withCredentials(t, loadSet(t, inputs(dir)...))
			s, _ := Snapshot(set, Options{Node: recordedNode()})
			got := map[string]map[string]proto.Message{
				"lds": byName(s.Listeners), "rds": byName(s.Routes), "cds": byName(s.Clusters), "eds": byCluster(s.Endpoints),
			}
			want := map[string]map[string]proto.Message{
				"lds": recorded[listenerv3.Listener](t, dir, "lds"), "rds": recorded[routev3.RouteConfiguration](t, dir, "rds"),
				"cds": recorded[clusterv3.Cluster](t, dir, "cds"), "eds": recorded[endpointv3.ClusterLoadAssignment](t, dir, "eds"),
			}
			for kind := range want {
				diff := cmp.Diff(want[kind], got[kind], protocmp.Transform())
				_, differs := allowed[name+" "+kind]
				switch {
				case diff != "" && !differs:
					t.Errorf("%s differs from istiod's (-istiod +crossgate):\n%s", kind, diff)
				case diff == "" && differs:
					t.Errorf("%s no longer differs: remove the entry from differences.txt", kind)
				}
			}
		})
	}
}

// inputs are the files of a recording; the generated ones have one.
func inputs(dir string) []string {
	files := []string{filepath.Join(dir, "document.yaml")}
	if !strings.HasPrefix(filepath.Base(dir), "generated-") {
		files = append(files, filepath.Join(dir, "base.yaml"))
	}
	return files
}

// withCredentials adds the Secrets that the recordings name, each with the
// certificate of an authority, without which no client can be verified.
func withCredentials(t *testing.T, set *resource.Set) *resource.Set {
	t.Helper()
	for _, name := range []string{"api-tls-secret", "cred", "cred2", "client-cred"} {
		r := testSecret(t, "default", name)
		secret := r.Spec.(*corev1.Secret).DeepCopy()
		secret.Data["ca.crt"] = secret.Data["tls.crt"]
		r.Spec = secret
		set = set.With(r)
	}
	return set
}

// TestIstiodRefuses: what istiod refuses is an error here too, and nothing is
// served for it. maxAge 0 is the exception: Envoy and browsers take it, and it
// is how caching is switched off.
func TestIstiodRefuses(t *testing.T) {
	for _, dir := range recordings(t, func(name string) bool { return strings.HasPrefix(name, "refused-") }) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(dir, "document.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			good, diags := resource.Parse("document.yaml", data, resource.ParseOptions{})
			accepted := strings.Contains(dir, "maxage-0s")
			if diags.HasErrors() == accepted || (len(good) == 1) != accepted {
				t.Errorf("accepted = %d objects, want %v; diagnostics: %v", len(good), accepted, diags)
			}
		})
	}
}

// differences reads "case kind: reason" lines.
func differences(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile("testdata/istiod/differences.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, reason, ok := strings.Cut(line, ": ")
		if !ok || reason == "" {
			t.Fatalf("differences.txt: %q has no reason", line)
		}
		out[key] = reason
	}
	return out
}

func recordings(t *testing.T, want func(name string) bool) []string {
	t.Helper()
	dirs, err := filepath.Glob("testdata/istiod/*/document.yaml")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for i, d := range dirs {
		dirs[i] = filepath.Dir(d)
	}
	return slices.DeleteFunc(dirs, func(d string) bool { return !want(filepath.Base(d)) })
}

// loadSet parses files that must be free of errors.
func loadSet(t *testing.T, files ...string) *resource.Set {
	t.Helper()
	var all []*resource.Resource
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		rs, diags := resource.Parse(f, data, resource.ParseOptions{})
		failOnErrors(t, diags)
		all = append(all, rs...)
	}
	set, diags := resource.NewSet(all)
	failOnErrors(t, diags)
	return set
}

func failOnErrors(t *testing.T, diags diag.List) {
	t.Helper()
	for _, d := range diags {
		if d.Severity == diag.Error {
			t.Fatal(d)
		}
	}
}

type resourceMessage[T any] interface {
	*T
	proto.Message
}

// recorded reads the resources of a recorded answer by name. Most cases have
// the same listener; it is stored once.
func recorded[T any, M resourceMessage[T]](t *testing.T, dir, kind string) map[string]proto.Message {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, kind+".json"))
	if errors.Is(err, fs.ErrNotExist) && kind == "lds" {
		data, err = os.ReadFile("testdata/istiod/lds-http-80.json")
	}
	if err != nil {
		t.Fatal(err)
	}
	var list []map[string]json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	out := make(map[string]proto.Message)
	for _, raw := range list {
		delete(raw, "@type")
		one, err := json.Marshal(raw)
		if err != nil {
			t.Fatal(err)
		}
		m := M(new(T))
		if err := protojson.Unmarshal(one, m); err != nil {
			t.Fatalf("%s of %s: %v", kind, dir, err)
		}
		out[nameOf(m)] = m
	}
	return out
}

func nameOf(m proto.Message) string {
	switch m := m.(type) {
	case interface{ GetName() string }:
		return m.GetName()
	case interface{ GetClusterName() string }:
		return m.GetClusterName()
	}
	panic(fmt.Sprintf("%T has no name", m))
}

func byName[M interface {
	proto.Message
	GetName() string
}](list []M) map[string]proto.Message {
	out := make(map[string]proto.Message)
	for _, m := range list {
		out[m.GetName()] = m
	}
	return out
}

func byCluster(list []*endpointv3.ClusterLoadAssignment) map[string]proto.Message {
	out := make(map[string]proto.Message)
	for _, m := range list {
		out[m.GetClusterName()] = m
	}
	return out
}
