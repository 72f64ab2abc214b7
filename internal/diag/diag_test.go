package diag

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestPosString(t *testing.T) {
	for _, tt := range []struct {
		pos  Pos
		want string
	}{
		{Pos{}, "-"},
		{Pos{File: "a.yaml"}, "a.yaml"},
		{Pos{File: "a.yaml", Line: 3}, "a.yaml:3"},
		{Pos{File: "a.yaml", Line: 3, Col: 7}, "a.yaml:3:7"},
	} {
		if got := tt.pos.String(); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.pos, got, tt.want)
		}
	}
}

var sample = List{
	{Pos: Pos{"b.yaml", 1, 1}, Severity: Info, Code: "CG0011", Message: "nothing to do"},
	{Pos: Pos{"a.yaml", 2, 9}, Severity: Error, Code: "IST0106", Object: "VirtualService default/a", Path: "spec.hosts[0]", Message: "bad \x1b[31mname\nhere\u202e", Related: []Related{{Pos{"c.yaml", 4, 2}, "declared here"}}},
	{Pos: Pos{"a.yaml", 1, 1}, Severity: Warning, Code: "CG0012", Message: "ignored"},
}

func TestWriteText(t *testing.T) {
	lines := map[Pos]string{{"a.yaml", 2, 9}: "\thosts: né:80", {"b.yaml", 1, 1}: strings.Repeat("x", 500)}
	excerpt := func(p Pos) (string, bool) { line, ok := lines[p]; return line, ok }
	for _, tt := range []struct {
		name string
		o    TextOptions
		want string
	}{
		{"plain", TextOptions{}, `a.yaml:1:1: warning: ignored [CG0012]
a.yaml:2:9: error: spec.hosts[0]: bad \x1b[31mname\nhere\u202e [IST0106]
   related: c.yaml:4:2: declared here
b.yaml:1:1: info: nothing to do [CG0011]
`},
		{"excerpt", TextOptions{Excerpt: excerpt}, `a.yaml:1:1: warning: ignored [CG0012]
a.yaml:2:9: error: spec.hosts[0]: bad \x1b[31mname\nhere\u202e [IST0106]
     hosts: né:80
            ^
   related: c.yaml:4:2: declared here
b.yaml:1:1: info: nothing to do [CG0011]
    ` + strings.Repeat("x", 120) + `
    ^
`},
		{"color", TextOptions{Color: true}, "\x1b[1ma.yaml:1:1: \x1b[33mwarning\x1b[0m: ignored [CG0012]\n" +
			"\x1b[1ma.yaml:2:9: \x1b[31merror\x1b[0m: spec.hosts[0]: bad \\x1b[31mname\\nhere\\u202e [IST0106]\n" +
			"   related: c.yaml:4:2: declared here\n" +
			"\x1b[1mb.yaml:1:1: \x1b[36minfo\x1b[0m: nothing to do [CG0011]\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			if err := WriteText(&b, sample, tt.o); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, b.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"plain – text":   "plain – text",
		"a\r\nb\x00":     `a\r\nb\x00`,
		"\x7f\u009b\xff": `\x7f\u009b\xff`,
		"\ufffd":         "\ufffd",
	} {
		if got := visible(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestWriteJSON(t *testing.T) {
	var b strings.Builder
	if err := WriteJSON(&b, sample[1:]); err != nil {
		t.Fatal(err)
	}
	want := `[
  {
    "position": {
      "file": "a.yaml",
      "line": 1,
      "column": 1
    },
    "severity": "warning",
    "code": "CG0012",
    "message": "ignored"
  },
  {
    "position": {
      "file": "a.yaml",
      "line": 2,
      "column": 9
    },
    "severity": "error",
    "code": "IST0106",
    "object": "VirtualService default/a",
    "path": "spec.hosts[0]",
    "message": "bad \u001b[31mname\nhere` + "\u202e" + `",
    "related": [
      {
        "position": {
          "file": "c.yaml",
          "line": 4,
          "column": 2
        },
        "message": "declared here"
      }
    ]
  }
]
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
	b.Reset()
	if err := WriteJSON(&b, nil); err != nil || b.String() != "[]\n" {
		t.Errorf("nothing prints %q, %v", b.String(), err)
	}
}

func TestSummary(t *testing.T) {
	if got, want := sample.Summary(), "1 error, 1 warning, 1 note"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := append(List{{}}, sample...).Summary(), "2 errors, 1 warning, 1 note"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := (List{}).Summary(), "no findings"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestSortAndCounts(t *testing.T) {
	l := List{{Pos: Pos{File: "b"}}, {Pos: Pos{"a", 2, 1}}, {Pos: Pos{"a", 1, 9}}, {Pos: Pos{"a", 1, 2}, Severity: Warning}, {Pos: Pos{"a", 1, 2}}}
	l.Sort()
	var got []string
	for _, d := range l {
		got = append(got, d.Pos.String()+" "+d.Severity.String())
	}
	if diff := cmp.Diff([]string{"a:1:2 error", "a:1:2 warning", "a:1:9 error", "a:2:1 error", "b error"}, got); diff != "" {
		t.Error(diff)
	}
	if !l.HasErrors() || l.Count(Error) != 4 || (List{{Severity: Warning}}).HasErrors() {
		t.Error("wrong counts")
	}
}

func TestLongMessagesAreCut(t *testing.T) {
	d := Diagnostic{Pos: Pos{File: "a.yaml", Line: 1, Col: 2}, Message: strings.Repeat("é", 1<<20)}
	if got := d.String(); len(got) > 600 || !strings.HasSuffix(got, "… (2097152 bytes)") || !utf8.ValidString(got) {
		t.Errorf("%d bytes, end %q", len(got), got[len(got)-30:])
	}
	var b bytes.Buffer
	if err := WriteJSON(&b, List{d}); err != nil || b.Len() > 1000 {
		t.Errorf("JSON of %d bytes, %v", b.Len(), err)
	}
}
