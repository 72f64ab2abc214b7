package engine

import (
	"strings"
	"testing"
)

// TestTemplates: which templates Envoy 1.40 takes (envoy --mode validate), and which
// of the paths each matches there.
func TestTemplates(t *testing.T) {
	paths := strings.Fields("/ /a /a/ /a* /aa /aaa /ab /abc /axb /axbyc /a/b /ax/b /xa /x /* /** /a.json /a.json/b /axjson/b /a{x}")
	for template, want := range map[string]string{
		"/a*":             "/a /aa /aaa /",
		"/*a":             "/aa /aaa /xa",
		"/a{x}":           "/a* /aa /aaa /ab /abc /a.json /axb /axbyc",
		"/{x}a":           "/aa /aaa /xa",
		"/{x}.json/b":     "/a.json/b",
		"/a{x}b":          "/axb",
		"/{x=a*}":         "/a /aa /aaa /",
		"/**a":            "/a /aa /aaa /xa",
		"/a*b*":           "/a /aa /aaa /ab /",
		"/{x_y}":          "/a /a* /aa /aaa /ab /abc /xa /x /* /** /a.json /axb /axbyc",
		"/{x=a/*}":        "/a/b",
		"/**":             "/ /a /a/ /a* /aa /aaa /ab /abc /axb /axbyc /a/b /ax/b /xa /x /* /** /a.json /a.json/b /axjson/b",
		"/":               "/",
		"/a/":             "/a/",
		"/{x=**}/{y=b}":   "/a/b /ax/b /a.json/b /axjson/b",
		"/{a}/{b=**}/c+d": "",
	} {
		re, err := compileTemplate(template)
		if err != nil {
			t.Errorf("%s: %v", template, err)
			continue
		}
		matched := map[string]bool{}
		for _, p := range strings.Fields(want) {
			matched[p] = true
		}
		for _, p := range paths {
			if re.MatchString(p) != matched[p] {
				t.Errorf("%s matches %s: %t, Envoy %t", template, p, !matched[p], matched[p])
			}
		}
	}
	for _, bad := range []string{
		"", "a", "/**/*", "/{x=**}/{y}", "/{x=**/a/*}", "/a//b", "/{1}", "/{x", "/{x=}", "/{x}/{x}", "/{abcdefghijklmnopq}", "/{a}/{b}/{c}/{d}/{e}/{f}",
		"/a b", "/é", "/{x}{y}", "/[a]", "/{x=/a}", "/{x=a/}", "/a|c", "/a?b", "/{x=***}", "/{x=*a}", "/*{x}", "/a}", "/{x-y}", "/a{x}b{y}", "/a\\b",
		"/a**", "/***", // Envoy takes these two and then matches nothing
		"/" + strings.Repeat("a", maxTemplate),
	} {
		if re, err := compileTemplate(bad); err == nil {
			t.Errorf("%q was accepted, as %s", bad, re)
		}
	}
}
