package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPagesAreCurrent(t *testing.T) {
	for path, page := range pages() {
		got, err := os.ReadFile(filepath.Join("..", "..", path))
		if err != nil {
			t.Error(err)
			continue
		}
		if diff := cmp.Diff(string(page()), string(got)); diff != "" {
			t.Errorf("%s is not current: go run ./scripts/docs\n(-want +got):\n%s", path, diff)
		}
	}
}
