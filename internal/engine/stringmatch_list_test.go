package engine

import (
	"regexp"
	"strings"
	"testing"
)

// FuzzNameList: the look-up decides as the regex does, wherever it decides.
func FuzzNameList(f *testing.F) {
	const text = `(?i)(?:[ \t]*(?:content-type|x-foo|k|x\.y)?[ \t]*(?:,|$))*`
	re := regexp.MustCompile(`\A(?:` + text + `)\z`)
	l := recogniseList(text)
	if l == nil {
		f.Fatal("not recognised")
	}
	for _, s := range []string{
		"", ",", " ", "\t,", "x-foo", "X-FOO", "x-foo,", " content-type ,\tx-foo ", "a,,b", "x-foo,,,content-type", "xcontent-type",
		"content-type x-foo", "content-type;x-foo", "*", "x-foo,x-evil", "k", "K", "\u212a", "x.y", "xay", "x-foo\n", "x-foo, \xff",
		strings.Repeat(",", 300), strings.Repeat("x-foo,", 300), "x-foo x", " x-foo  , ", "\x00",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, known := l.match([]byte(s))
		if want := re.MatchString(s); known && got != want {
			t.Errorf("%q: %v, the regex says %v", s, got, want)
		}
	})
}

func TestRecogniseList(t *testing.T) {
	for _, text := range []string{`[ \t,]*`, `(?i)(?:[ \t]*(?:a.*|b)?[ \t]*(?:,|$))*`, `(?i)(?:[ \t]*(?:a|)?[ \t]*(?:,|$))*`, `(?i)(?:[ \t]*(?:é)?[ \t]*(?:,|$))*`} {
		if recogniseList(text) != nil {
			t.Errorf("%s is taken for a list of names", text)
		}
	}
}
