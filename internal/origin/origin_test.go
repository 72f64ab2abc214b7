package origin

import "testing"

func mustCompile(t testing.TB, kind Kind, text string) Pattern {
	t.Helper()
	p, err := Compile(kind, text, false)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestCovers: what covers a scheme lets a name in that nobody thought of, and for
// what does not there is a name that stays out.
func TestCovers(t *testing.T) {
	for _, tt := range []struct {
		kind Kind
		text string
		want Coverage // of https
	}{
		{Exact, "*", All},
		{Regex, ".*", All},
		{Regex, ".+", All},
		{Regex, "https?://.*", All},
		{Regex, "https://.*", All},
		{Regex, `^https://.*$`, All},
		{Regex, `https://[^/]+`, All},
		{Regex, `https://[a-z0-9.-]+(:\d+)?`, All},
		{Regex, `(?i)HTTPS://.+`, All},
		{Regex, `\w+://.*`, All},
		{Regex, `https://\b.*`, All},
		{Prefix, "https://", All},
		{Prefix, "h", All},
		{Contains, "://", All},
		{Contains, ".", All},
		{Suffix, "m", Some},
		{Prefix, "http://", Some},
		{Prefix, "http://localhost:", Some},
		{Prefix, "https://app.", Some},
		{Regex, `https://.*\.com`, Some},
		{Regex, `https://.*\.example\.com`, Some},
		{Regex, `https://[a-z]+\.[a-z]+`, Some}, // a.b.c
		{Regex, `[^.]*|https://app\.example\.com`, Some},
		{Regex, `https://.*\d.*`, Some},
		{Regex, `https://\B.*`, Some},
		{Regex, `https://[^x]*`, Some},
		{Regex, `https://.{0,40}`, Some},
		{Exact, "https://app.example.com", Some},
		{Exact, "null", Some},
	} {
		if got := Covers("https", []Pattern{mustCompile(t, tt.kind, tt.text)}); got != tt.want {
			t.Errorf("%v %q: got %v, want %v", tt.kind, tt.text, got, tt.want)
		}
	}
}

// TestCoversTogether: patterns that cover nothing alone may do so together.
func TestCoversTogether(t *testing.T) {
	half := []Pattern{mustCompile(t, Regex, "https://[a-m].*"), mustCompile(t, Prefix, "https://n"), mustCompile(t, Regex, "https://[o-y].*")}
	if got := Covers("https", half); got != Some {
		t.Errorf("without z: %v, want %v", got, Some)
	}
	if got := Covers("https", append(half, mustCompile(t, Prefix, "https://z"))); got != All {
		t.Errorf("all letters: %v, want %v", got, All)
	}
	if got := Covers("http", append(half, mustCompile(t, Prefix, "https://z"))); got != Some {
		t.Errorf("the other scheme: %v, want %v", got, Some)
	}
}

// TestCoversGivesUp: an expression that would take for ever to follow is not taken
// for harmless.
func TestCoversGivesUp(t *testing.T) {
	if got := Covers("https", []Pattern{mustCompile(t, Regex, `https://(.*[ab].{14}|.*[^a].{13})`)}); got == All {
		t.Errorf("got %v", got)
	}
}

func TestStar(t *testing.T) {
	for text, want := range map[string]bool{`[^.]*|https://app\.example\.com`: true, `.*`: true, `\*`: true, `https://.*`: false} {
		if got := mustCompile(t, Regex, text).Star(); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
	if mustCompile(t, Suffix, "*").Star() != true || mustCompile(t, Suffix, "*").Any() {
		t.Error("a suffix * matches the text *, and is not the exact *")
	}
}
