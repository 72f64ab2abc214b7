package xds

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFilesThatAConfigurationNames: what a configuration makes the program read is a
// file, and has an end.
func TestFilesThatAConfigurationNames(t *testing.T) {
	dir := t.TempDir()
	path := func(name string, size int) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, bytes.Repeat([]byte("x"), size), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	link := filepath.Join(dir, "link") // as Kubernetes mounts Secrets
	if err := os.Symlink(path("a", 10), link); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		path("full", 10):                "",
		link:                            "",
		path("large", 11):               "is larger than 10 bytes",
		dir:                             "is no regular file",
		os.DevNull:                      "is no regular file", // /dev/zero would never end
		filepath.Join(dir, "not there"): "no such file",
	} {
		data, err := ReadFile(name, 10)
		switch {
		case want == "" && (err != nil || len(data) != 10):
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}
