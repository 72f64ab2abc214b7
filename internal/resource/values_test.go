package resource

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	sigsyaml "sigs.k8s.io/yaml"
)

// FuzzValuesAreThoseOfKubectl: a document that we read and that sigs.k8s.io/yaml,
// which kubectl and istioctl use, reads strictly has the same value for both.
func FuzzValuesAreThoseOfKubectl(f *testing.F) {
	for _, text := range []string{
		"a: yes\nb: on\nc: ~\nd: 0x1f\ne: 0o17\nf: 017\ng: 1_000\nh: 1e3\ni: 2001-01-01\nj: 1:30\nk: .5\nl: -.5e-3\nm: +1\nn: 'x'\no: \"\\x41\"\n",
		"a: |\n  x\n  y\nb: >-\n  x\n  y\nc: |+\n  x\n\nd: plain\n  folded\n",
		"a: &x {b: 1}\nc: *x\nd:\n  <<: *x\n  e: 2\n",
		"? a\n: b\n1: c\ntrue: d\n1.5: e\n",
		"a: !!str 1\nb: !!int \"2\"\nc: !!binary YQ==\nd: !!float 3\nf: !local g\n",
		"{\"a\": [1, 2.50, -0, 1e400], \"b\": null, \"\\u00e9\": \"\\ud83d\\ude00\\/\"}",
		"a: 9223372036854775808\nb: 18446744073709551616\nc: 1.0\nd: 1e21\ne: 0.1\nf: -0\ng: 00\nh: 0b11\ni: 12e03\n",
		"- nothing\n- null\n- NULL\n- Null\n- nULL\n- \n- y\n- Y\n- N\n- No\n- nO\n- Off\n- TRUE\n- =\n- <<\n",
	} {
		f.Add([]byte(text))
	}
	files, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, d := range split(data) {
			f.Add(d.text)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		docs := split(data)
		// yaml/v3 does not tell the non-specific tag "!" from none; nobody writes it.
		if len(docs) != 1 || nonSpecificTag.Match(data) {
			return
		}
		ours, err := docs[0].parse()
		if err != nil {
			return
		}
		theirs, err := sigsyaml.YAMLToJSONStrict(docs[0].text)
		if err != nil {
			return
		}
		var want, got any
		if err := decodeNumbers(theirs, &want); err != nil {
			t.Fatal(err)
		}
		if err := decodeNumbers(ours.json(), &got); err != nil {
			t.Fatalf("not JSON: %s: %v", ours.json(), err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q\n%s", docs[0].text, diff)
		}
	})
}

var nonSpecificTag = regexp.MustCompile(`!([\s,\]}&]|$)`)

func decodeNumbers(data []byte, into *any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	return d.Decode(into)
}
