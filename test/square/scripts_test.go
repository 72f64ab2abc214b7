package square

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossgate/crossgate/test/envoy"
	"github.com/crossgate/crossgate/test/gate"
	"github.com/crossgate/crossgate/test/rawhttp"
)

// TestScripts runs every script of test/scripts on all corners.
func TestScripts(t *testing.T) {
	root := filepath.Join(envoy.Root(), "test", "scripts")
	files, err := filepath.Glob(filepath.Join(root, "*", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts (%v)", err)
	}
	for _, file := range files {
		name, _ := filepath.Rel(root, file)
		t.Run(strings.TrimSuffix(name, ".txtar"), func(t *testing.T) {
			t.Parallel()
			runScript(t, file)
		})
	}
}

func runScript(t *testing.T, file string) {
	planes := planesOf(t)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseScript(data)
	if err != nil {
		t.Fatal(err)
	}
	runProfile(t, s, planes, profileIstio)
	if _, ok := s.file(bootstrapFile); !ok {
		t.Run(profileHardened, func(t *testing.T) { runProfile(t, s, planes, profileHardened) })
	}
	if *update && !t.Failed() {
		if err := os.WriteFile(file, s.Format(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// runProfile runs all cases under one profile; of a bootstrap there is one.
func runProfile(t *testing.T, s *Script, planes []plane, profile string) {
	desk := rawhttp.NewDesk()
	corners, err := start(planes, t.TempDir(), bootstrapOf(t, s, desk, profile), desk)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := stop(corners); err != nil {
			t.Error(err)
		}
	}()
	for _, c := range s.Cases() {
		runCase(t, corners, c, profile)
	}
}

// runCase sends the request to all corners and compares their answers with the
// expectation, and with each other.
func runCase(t *testing.T, corners []*Corner, c *Case, profile string) {
	answers := make([][]string, len(corners))
	for i, corner := range corners {
		a, err := corner.do(c)
		if err != nil {
			t.Errorf("requests:%d: %s: %v", c.Line, corner.Name, err)
			return
		}
		answers[i] = a.Lines()
	}
	want, whose := c.Want, "script"
	if profile == profileHardened && c.Hardened != nil {
		want = c.Hardened
	}
	if *update && corners[0].Name == "envoy" {
		c.record(answers[0], profile)
		want = answers[0]
	}
	// The first corner must answer as the script says, the others as the first.
	for i, got := range answers {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("requests:%d: %s %s: (-%s +%s)\n%s", c.Line, c.Request.Method, c.Request.Target, whose, corners[i].Name, diff)
		}
		want, whose = answers[0], corners[0].Name
	}
}

// record takes an answer into the script; that of the profile hardened where it is
// another one.
func (c *Case) record(answer []string, profile string) {
	switch {
	case profile == profileIstio:
		c.Want = answer
	case slices.Equal(c.Want, answer):
		c.Hardened = nil
	default:
		c.Hardened = answer
	}
}

// bootstrapOf returns the script's bootstrap, or that of its resources under the
// profile, and starts the upstreams that it names.
func bootstrapOf(t *testing.T, s *Script, desk *rawhttp.Desk, profile string) []byte {
	t.Helper()
	upstreams := map[string]*rawhttp.Upstream{}
	port := func(name string) (int, error) {
		if u := upstreams[name]; u != nil {
			return u.Port(), nil
		}
		u, err := rawhttp.Listen(name, desk)
		if err != nil {
			return 0, err
		}
		t.Cleanup(u.Close)
		upstreams[name] = u
		return u.Port(), nil
	}
	dir := t.TempDir()
	for _, f := range s.archive.Files {
		data, err := fill(f.Data, port)
		if err != nil {
			t.Fatal(err)
		}
		switch f.Name {
		case bootstrapFile:
			return data
		case requestsFile:
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, f.Name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := translate(gate.Binary(t), profile, dir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return out
}
