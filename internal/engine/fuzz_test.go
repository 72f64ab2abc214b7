package engine

import (
	"bytes"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/crossgate/crossgate/internal/format"
	"github.com/crossgate/crossgate/internal/header"
	"github.com/crossgate/crossgate/internal/http1"
)

// FuzzTemplate: a template either is refused or matches only paths, and all of its
// literal text is in what it matches.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"/a/{x}/c", "/{x=a/*}/{y}.json", "/**", "/*a/b", "/a*b*", "/{x", "/a//b", "/%zz", "/a{b}c/**"} {
		f.Add(s, "/a/b/c")
	}
	f.Fuzz(func(t *testing.T, template, path string) {
		re, err := compileTemplate(template)
		if err != nil {
			return
		}
		if re.MatchString(path) && !strings.HasPrefix(path, "/") {
			t.Errorf("%q matches %q, which is no path", template, path)
		}
		if plain := !strings.ContainsAny(template, "*{"); plain && re.MatchString(path) != (path == template) {
			t.Errorf("%q, which has no glob, matches %q: %t", template, path, path != template)
		}
	})
}

// FuzzCookie: what is found for a name is in the field behind the name and its "=", and
// a name that is nowhere is not found.
func FuzzCookie(f *testing.F) {
	for _, s := range []string{"a=b; u=1", `u="1"`, "u", "=", "u=1;u=2", ";;u=;"} {
		f.Add(s, "u")
	}
	f.Fuzz(func(t *testing.T, field, name string) {
		h := &header.List{}
		h.Add([]byte("cookie"), []byte(field))
		v, ok := cookie(h, name)
		if ok && !strings.Contains(field, name+"=") {
			t.Errorf("%q has no cookie %q, but %q", field, name, v)
		}
		if ok && (!strings.Contains(field, string(v)) || strings.Contains(string(v), ";")) {
			t.Errorf("the cookie %q of %q is %q", name, field, v)
		}
	})
}

// FuzzMergeSlashes: merging is done once for all, keeps the query and everything
// between slashes, and leaves two slashes only where there was nothing but slashes.
func FuzzMergeSlashes(f *testing.F) {
	for _, s := range []string{"//a///b", "/", "//", "///", "/a//?x=//y", "/a/b/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, target string) {
		if target == "" || target[0] != '/' || strings.ContainsAny(target, "#") {
			return
		}
		var a header.Arena
		got := string(mergeSlashes(&a, []byte(target)))
		if again := string(mergeSlashes(&a, []byte(got))); again != got {
			t.Errorf("%q: %q, and again %q", target, got, again)
		}
		path, query, _ := strings.Cut(target, "?")
		merged, kept, _ := strings.Cut(got, "?")
		if kept != query {
			t.Errorf("%q: the query has become %q", target, kept)
		}
		if strings.Contains(merged, "//") && strings.Trim(path, "/") != "" {
			t.Errorf("%q: two slashes are left in %q", target, got)
		}
		if strings.ReplaceAll(merged, "/", "") != strings.ReplaceAll(path, "/", "") {
			t.Errorf("%q: %q has other segments", target, got)
		}
	})
}

// FuzzReferer: nothing with a fragment, a blank or a control character is a referer.
func FuzzReferer(f *testing.F) {
	for _, s := range []string{"https://a.test/x?y", "/x", "x y", "a:b", "https://u@h/", "//h/x#f", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, v string) {
		if validReferer([]byte(v)) && strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r == '#' || r >= 0x7f }) {
			t.Errorf("%q is taken for a referer", v)
		}
	})
}

// FuzzMutation: what header mutations write is a field at most, whatever their names
// and values are and whatever the request holds that a value is made of; it never
// tells where the body ends.
func FuzzMutation(f *testing.F) {
	for _, s := range []string{"%REQ(x)%", "a", "%REQ(x):2%-%PROTOCOL%", "%METADATA(ROUTE:m:k)%", "a\r\nb: c", "%START_TIME(%Y\n)%", "%%"} {
		f.Add("x-a", s, "v")
		f.Add("x-a: b", s, "v\r\ncontent-length: 3")
	}
	f.Add("transfer-encoding:", "chunked", "")
	f.Add("content-length: 5\r\nx", "", "")
	f.Fuzz(func(t *testing.T, name, value, received string) {
		c, err := compileMutation(&corev3.HeaderValueOption{Header: &corev3.HeaderValue{Key: name, Value: value}, KeepEmptyValue: true})
		if err != nil {
			return
		}
		v := c.static
		if c.value != nil {
			v = c.value.AppendHeader(nil, anySource(received))
		}
		h := &header.List{}
		h.Add(c.name, v)
		out := http1.AppendRequestHead(nil, []byte("POST"), []byte("/"), []byte("a"), h, http1.NoBody)
		var r http1.Request
		n, perr := http1.ParseRequest(bytes.Clone(out), &r, nil)
		if perr != nil {
			return // a name that is none: the service refuses it
		}
		if n != len(out) || r.Framing != http1.NoBody || len(r.Headers.Fields) > 2 {
			t.Errorf("%q: %q has become %q: %d bytes, %d fields", name, value, out, n, len(r.Headers.Fields))
		}
	})
}

// anySource has one value for everything.
type anySource string

func (s anySource) RequestHeader(string) ([]byte, bool)   { return []byte(s), true }
func (s anySource) ResponseHeader(string) ([]byte, bool)  { return []byte(s), true }
func (s anySource) ResponseTrailer(string) ([]byte, bool) { return []byte(s), true }
func (anySource) StartTime() time.Time                    { return time.Unix(1, 0) }
func (anySource) Validity(bool) (from, to time.Time, ok bool) {
	return time.Unix(1, 0), time.Unix(2, 0), true
}

func (s anySource) AppendValue(dst []byte, _ format.Value) ([]byte, bool) {
	return append(dst, s...), true
}

func (s anySource) AppendSpan(dst []byte, _, _ format.Moment, _ time.Duration) ([]byte, bool) {
	return append(dst, s...), true
}

func (s anySource) Metadata(format.Holder) map[string]*structpb.Struct {
	return map[string]*structpb.Struct{"m": {Fields: map[string]*structpb.Value{"k": structpb.NewStringValue(string(s))}}}
}
