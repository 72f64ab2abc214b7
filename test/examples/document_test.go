package examples

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	text := strings.ReplaceAll(`# Title
~~~sh
make demo
crossgate echo &
crossgate serve examples/a \
  --upstream a=b   # the backend
~~~
~~~yaml
$ not: a command
~~~
~~~console
$ curl -si \
    http://127.0.0.1:8080/
HTTP/1.1 200 OK
...
$ true
~~~
`, "~~~", "```")
	got, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	want := document{
		{line: 5, serve: []string{"examples/a", "--upstream", "a=b"}},
		{line: 12, output: 14, command: "curl -si \\\n    http://127.0.0.1:8080/", want: []string{"HTTP/1.1 200 OK", "..."}},
		{line: 16, output: 17, command: "true"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(block{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	rewritten := got.rewrite(text, map[int][]string{12: {"HTTP/1.1 404 Not Found"}, 16: {"done"}})
	if want := strings.NewReplacer("HTTP/1.1 200 OK\n...", "HTTP/1.1 404 Not Found", "$ true", "$ true\ndone").Replace(text); rewritten != want {
		t.Errorf("rewritten (-want +got):\n%s", cmp.Diff(want, rewritten))
	}
	if _, err := parse("```console\noutput\n$ true\n```\n"); err == nil {
		t.Error("no error for output without a command")
	}
}

func TestMatches(t *testing.T) {
	for _, tt := range []struct {
		want, got string
		ok        bool
	}{
		{"", "", true},
		{"a", "a", true},
		{"a", "", false},
		{"a", "a b", false},
		{"a ...", "a b c", true},
		{"a ... c", "a b c", true},
		{"a ... c", "a c", true},
		{"a ... c", "a b c d", false},
		{"... b ...", "a b c b", true},
		{"...", "", true},
	} {
		if got := matches(strings.Fields(tt.want), strings.Fields(tt.got)); got != tt.ok {
			t.Errorf("matches(%q, %q) = %v, want %v", tt.want, tt.got, got, tt.ok)
		}
	}
}
