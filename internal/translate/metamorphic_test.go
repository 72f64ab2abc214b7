package translate

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/xds"
)

// TestOrderOfDocuments: the order of documents and their spread over files
// change nothing but positions.
func TestOrderOfDocuments(t *testing.T) {
	var docs [][]byte
	for _, dir := range recordings(t, func(name string) bool { return strings.HasPrefix(name, "guide-") }) {
		for _, name := range []string{"document.yaml", "base.yaml"} {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			docs = append(docs, bytes.Split(data, []byte("\n---\n"))...)
		}
	}
	want, wantDiags := snapshotOf(t, docs, 1)
	if len(want.Routes) == 0 || len(want.Clusters) < 5 {
		t.Fatalf("the input makes only %d route tables and %d clusters", len(want.Routes), len(want.Clusters))
	}
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 0))
		shuffled := slices.Clone(docs)
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		got, diags := snapshotOf(t, shuffled, 1+random.IntN(len(docs)))
		if got.Version != want.Version {
			t.Fatalf("seed %d: another snapshot: %s", seed, xds.Diff(want, got))
		}
		if diff := cmp.Diff(wantDiags, diags); diff != "" {
			t.Fatalf("seed %d: other diagnostics: %s", seed, diff)
		}
	}
}

// snapshotOf spreads documents over files and translates them. Objects that
// several documents define are made distinct by the first of the order of their
// content, which does not depend on the order of the files.
func snapshotOf(t *testing.T, docs [][]byte, files int) (*xds.Snapshot, []string) {
	t.Helper()
	texts := make([]bytes.Buffer, files)
	for i, d := range docs {
		fmt.Fprintf(&texts[i%files], "---\n%s\n", d)
	}
	var all []*resource.Resource
	for i := range texts {
		rs, diags := resource.Parse(fmt.Sprintf("%d.yaml", i), texts[i].Bytes(), resource.ParseOptions{})
		failOnErrors(t, diags)
		all = append(all, rs...)
	}
	slices.SortFunc(all, func(a, b *resource.Resource) int { return strings.Compare(a.Hash, b.Hash) })
	set, _ := resource.NewSet(all)
	s, diags := Snapshot(set, Options{Node: DefaultNode(), SynthesizeGateways: true})
	return s, withoutPlaces(diags)
}

func withoutPlaces(diags diag.List) []string {
	var out []string
	for _, d := range diags {
		out = append(out, d.Object+" "+d.Path+" "+d.Message)
	}
	slices.Sort(out)
	return out
}
