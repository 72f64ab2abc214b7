package pipeline

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crossgate/crossgate/internal/devkit"
	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/source"
	"github.com/crossgate/crossgate/internal/xds"
)

// scripted is a source that emits updates one after the other.
type scripted struct {
	updates []*source.Update
	err     error
}

func (s scripted) Run(ctx context.Context, emit func(*source.Update)) error {
	for _, u := range s.updates {
		emit(u)
	}
	if s.err == nil {
		<-ctx.Done()
	}
	return s.err
}

// recorder is a sink that cannot do one thing of every snapshot.
type recorder struct {
	mu       sync.Mutex
	versions []string
}

func (r *recorder) Publish(s *xds.Snapshot) diag.List {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.versions = append(r.versions, s.Version)
	return diag.List{{Severity: diag.Warning, Message: "sink"}}
}

func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.versions)
}

// outcome is the part of a result that tests look at.
type outcome struct {
	Published, Changed bool
	FromSink           int
}

// runAll feeds updates to Run and returns what it reported and published.
func runAll(t *testing.T, o Options, updates ...*source.Update) ([]outcome, *recorder) {
	t.Helper()
	sink := &recorder{}
	var got []outcome
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := Run(ctx, scripted{updates: updates}, o, []Sink{sink}, func(r *Result) {
		out := outcome{Published: r.Published, Changed: r.Changed}
		for _, d := range r.Diags {
			if d.Message == "sink" {
				out.FromSink++
			}
		}
		got = append(got, out)
		if len(got) == len(updates) {
			cancel()
		}
	})
	if err != nil {
		t.Errorf("Run: %v", err)
	}
	return got, sink
}

func TestRunPublishesChanges(t *testing.T) {
	one := input("a.yaml", virtualService("x", "x.example", "1"))
	two := input("a.yaml", virtualService("x", "x.example", "2"))
	refused := input("a.yaml", virtualService("x", "x.example", "3")+denyAll)
	got, sink := runAll(t, testOptions(), one, one, two, refused, two, one)
	want := []outcome{
		{Published: true, Changed: true, FromSink: 1},
		{Published: true, FromSink: 1},
		{Published: true, Changed: true, FromSink: 1},
		{},
		{Published: true, FromSink: 1},
		{Published: true, Changed: true, FromSink: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if v := sink.versions; len(v) != 3 || v[0] == v[1] || v[0] != v[2] {
		t.Errorf("published versions %v", v)
	}
}

func TestRunReturnsTheSourcesError(t *testing.T) {
	broken := errors.New("broken")
	err := Run(t.Context(), scripted{err: broken}, testOptions(), nil, func(*Result) {})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// TestRunRenews: a gateway that nobody touches for months must not end with an
// expired certificate.
func TestRunRenews(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		ca, err := devkit.OpenCA(dir)
		if err != nil {
			t.Fatal(err)
		}
		o := testOptions()
		o.DevCertificates = ca
		sink := &recorder{}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		u := input("a.yaml", gateway("tls", "a.example"))
		go func() {
			done <- Run(ctx, scripted{updates: []*source.Update{u}}, o, []Sink{sink}, func(*Result) {})
		}()
		synctest.Wait()
		time.Sleep(59 * 24 * time.Hour)
		synctest.Wait()
		if n := sink.count(); n != 1 {
			t.Errorf("%d publications in 59 days, want 1", n)
		}
		time.Sleep(3 * 24 * time.Hour)
		synctest.Wait()
		if n := sink.count(); n != 2 {
			t.Errorf("%d publications in 62 days, want 2", n)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
