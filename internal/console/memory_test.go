package console

import (
	"testing"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	"google.golang.org/protobuf/encoding/protojson"
)

// TestMemory reads the answer as Envoy's own message; a field that it does not
// know fails.
func TestMemory(t *testing.T) {
	w := get(Admin(testOptions(Live)), "GET", "/memory")
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("content-type %q", got)
	}
	var m adminv3.Memory
	if err := protojson.Unmarshal(w.Body.Bytes(), &m); err != nil {
		t.Fatalf("%v:\n%s", err, w.Body)
	}
	if m.Allocated == 0 || m.HeapSize < m.Allocated || m.TotalPhysicalBytes < m.HeapSize {
		t.Errorf("these sizes cannot be: %v", &m)
	}
}
