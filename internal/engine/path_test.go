package engine

import (
	"bytes"
	"strings"
	"testing"

	"github.com/crossgate/crossgate/internal/header"
)

// TestNormalizePath has what a real Envoy 1.40 made of these paths.
func TestNormalizePath(t *testing.T) {
	for in, want := range map[string]string{
		"/a/../b":       "/b",
		"//a///b":       "//a///b",
		"/a%2Fb":        "/a%2Fb",
		"/a%5Cb":        "/a%5Cb",
		`/a\b`:          "/a/b",
		"/%61":          "/a",
		"/a|b":          "/a%7Cb",
		"/a%2e%2e/b":    "/a../b",
		"/a/..":         "/",
		"/a/../../b":    "/b",
		`/{}"`:          "/%7B%7D%22",
		"/%zz":          "/%zz",
		"/%C3%A9":       "/%C3%A9",
		"/a?x=/../%61|": "/a?x=/../%61|",
		"/a/./b/.?q":    "/a/b/?q",
		"/":             "/",
	} {
		var a header.Arena
		got, ok := normalizePath(&a, []byte(in))
		if !ok || string(got) != want {
			t.Errorf("%s: %s, %v, want %s", in, got, ok, want)
		}
	}
	var a header.Arena
	if got, ok := normalizePath(&a, []byte("/a%00b")); ok {
		t.Errorf("an escaped NUL became %q", got)
	}
}

func TestSlashes(t *testing.T) {
	var a header.Arena
	if got := string(mergeSlashes(&a, []byte("//a///b?x=//"))); got != "/a/b?x=//" {
		t.Errorf("merged: %s", got)
	}
	if got := string(unescapeSlashes(&a, []byte("/a%2Fb%5c%41?%2F"))); got != `/a/b\%41?%2F` {
		t.Errorf("unescaped: %s", got)
	}
	if !hasEscapedSlash([]byte("/a%5C")) || hasEscapedSlash([]byte("/a?%2F")) {
		t.Error("escaped slashes are looked for in the path, and there only")
	}
}

// FuzzNormalizePath: a normal path stays as it is, has no dot segment, and keeps
// its query.
func FuzzNormalizePath(f *testing.F) {
	for _, s := range []string{"/a/../b", "/%2e%2E/x", `/\..\`, "/a/.", "/..", "/%25%32%65", "/a?b/../c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = "/" + s
		var a header.Arena
		once, ok := normalizePath(&a, []byte(s))
		if !ok {
			return
		}
		once = bytes.Clone(once)
		twice, ok := normalizePath(&a, once)
		if !ok || !bytes.Equal(once, twice) {
			// Decoding makes new escapes of "%25…": those are data.
			if !strings.Contains(s, "%") {
				t.Fatalf("%q: once %q, twice %q", s, once, twice)
			}
		}
		path, query, _ := bytes.Cut(once, []byte("?"))
		for _, seg := range strings.Split(string(path), "/") {
			if seg == "." || seg == ".." {
				t.Fatalf("%q keeps a dot segment: %q", s, once)
			}
		}
		if _, q, _ := strings.Cut(s, "?"); q != string(query) {
			t.Fatalf("%q: the query became %q", s, query)
		}
	})
}
