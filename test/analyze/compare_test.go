package analyze

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/crossgate/crossgate/internal/pipeline"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/source"
	"github.com/crossgate/crossgate/internal/translate"
)

// analyze returns what crossgate finds in files.
func analyze(files ...string) *pipeline.Result {
	opts := pipeline.Options{Translate: translate.Options{Node: translate.DefaultNode(), SynthesizeGateways: true}}
	return pipeline.NewBuilder(opts).Build(source.Load(files, nil, resource.ParseOptions{DefaultNamespace: "default"}))
}

// finding is a code on an object.
type finding struct{ code, object string }

func (f finding) String() string { return f.code + " on " + f.object }

// compare runs both on files and reports findings that only one has. It returns what
// istioctl found.
func compare(t *testing.T, bin string, files ...string) (theirs map[finding]string) {
	t.Helper()
	theirs = make(map[finding]string)
	for _, m := range runIstioctl(t, bin, files...) {
		theirs[finding{m.Code, m.Origin}] = m.Message
	}
	ours := make(map[finding]string)
	for _, d := range analyze(files...).Diags {
		if strings.HasPrefix(d.Code, "IST") {
			ours[finding{d.Code, d.Object}] = d.Message
		}
	}
	for f, m := range theirs {
		if _, ok := ours[f]; !ok && !allowed(onlyIstioctl, f, m, theirs) {
			t.Errorf("%v: only istioctl finds %v: %s", files, f, m)
		}
	}
	for f, m := range ours {
		if _, ok := theirs[f]; !ok && !allowed(onlyCrossgate, f, m, ours) {
			t.Errorf("%v: only crossgate finds %v: %s", files, f, m)
		}
	}
	return theirs
}

// difference is what one of the two finds and the other does not, and why.
type difference struct {
	code    string
	message string // a part of it
	// with is a code that the object must have too; empty for none.
	with string
	why  string
}

func allowed(list []difference, f finding, message string, all map[finding]string) bool {
	return slices.ContainsFunc(list, func(d difference) bool {
		if d.code != f.code || !strings.Contains(message, d.message) {
			return false
		}
		_, ok := all[finding{d.with, f.object}]
		return d.with == "" || ok
	})
}

var onlyIstioctl = []difference{
	{"IST0132", "", "IST0101", "a Gateway that is missing has no hosts either: one finding is enough"},
	{"IST0151", "", "IST0133", "istioctl takes EnvoyFilters in no fixed order, and so has IST0151 or IST0155 by chance"},
	{"IST0106", "exportTo", "", "an object without a namespace is in the default one, where istioctl has none and takes . for nothing"},
}

// Without a cluster istioctl leaves out every analyzer that reads kinds of
// Kubernetes, whatever the files have: whether a destination, a DestinationRule's
// host or a Secret is there, annotations, Gateways of one workload.
const needsCluster = "istioctl leaves this analyzer out without a cluster"

var onlyCrossgate = []difference{
	{"IST0106", "value ", "IST0133", "istiod sends what a patch adds although Envoy refuses it; here it is refused where it stands"},
	{"IST0101", "no service", "", needsCluster},
	{"IST0101", "has no port", "", needsCluster},
	{"IST0101", "there is no Secret", "", needsCluster},
	{"IST0107", "", "", needsCluster},
	{"IST0108", "", "", needsCluster},
	{"IST0112", "", "", needsCluster},
	{"IST0135", "", "", needsCluster},
	{"IST0145", "", "", needsCluster},
	{"IST0161", "", "", needsCluster},
	{"IST0174", "", "", needsCluster},
	{"IST0133", "the old form", "", "istiod's validation ends with the first name that has no namespace"},
	{"IST0155", "", "IST0133", "istioctl takes EnvoyFilters in no fixed order, and so has IST0151 or IST0155 by chance"},
}

// TestChecks compares on the test data of the checks.
func TestChecks(t *testing.T) {
	bin := istioctl.Require(t)
	files, err := filepath.Glob("../../internal/check/testdata/*/*.yaml")
	if err != nil || len(files) < 20 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		t.Run(filepath.Base(filepath.Dir(f))+"/"+filepath.Base(f), func(t *testing.T) { compare(t, bin, f) })
	}
}

// guideDocuments writes the documents of the guide and returns their files by
// number, from the scripts that serve them and, where nothing is
// served, from testdata.
func guideDocuments(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../scripts/guide/*-api-*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	out := make(map[string]string)
	for _, s := range files {
		n := filepath.Base(s)[:2]
		a, err := txtar.ParseFile(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			if f.Name != "guide.yaml" || out[n] != "" {
				continue
			}
			out[n] = filepath.Join(dir, n+".yaml")
			if err := os.WriteFile(out[n], f.Data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	more, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range more {
		out[filepath.Base(f)[:2]] = f
	}
	if len(out) != 17 {
		t.Fatalf("%d documents, want 17: %v", len(out), out)
	}
	return out
}

// TestGuide compares on each document of the guide, and on all of them together.
func TestGuide(t *testing.T) {
	bin := istioctl.Require(t)
	docs := guideDocuments(t)
	var all []string
	for n, f := range docs {
		all = append(all, f)
		t.Run(n, func(t *testing.T) { compare(t, bin, f) })
	}
	slices.Sort(all)
	t.Run("all", func(t *testing.T) { compare(t, bin, all...) })
}
