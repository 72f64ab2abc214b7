package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// stream is what "go test -json" printed for a package with a passed, a skipped
// and a failed test, shortened, and for one that did not build.
const stream = `{"Action":"start","Package":"github.com/crossgate/crossgate/p"}
{"Action":"run","Package":"github.com/crossgate/crossgate/p","Test":"TestA"}
{"Action":"output","Package":"github.com/crossgate/crossgate/p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"pass","Package":"github.com/crossgate/crossgate/p","Test":"TestA","Elapsed":0}
{"Action":"output","Package":"github.com/crossgate/crossgate/p","Test":"TestB","Output":"=== RUN   TestB\n"}
{"Action":"output","Package":"github.com/crossgate/crossgate/p","Test":"TestB","Output":"    p_test.go:7: no Envoy here\n"}
{"Action":"output","Package":"github.com/crossgate/crossgate/p","Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}
{"Action":"skip","Package":"github.com/crossgate/crossgate/p","Test":"TestB","Elapsed":0}
{"Action":"output","Package":"github.com/crossgate/crossgate/p","Test":"TestC","Output":"    p_test.go:9: got 1, want 2\n"}
{"Action":"fail","Package":"github.com/crossgate/crossgate/p","Test":"TestC","Elapsed":0}
{"Action":"output","Package":"github.com/crossgate/crossgate/p","Output":"FAIL\n"}
{"Action":"fail","Package":"github.com/crossgate/crossgate/p","Elapsed":0.004}
{"ImportPath":"github.com/crossgate/crossgate/q","Action":"build-output","Output":"q/q.go:3:1: syntax error\n"}
{"ImportPath":"github.com/crossgate/crossgate/q","Action":"build-fail"}
{"Action":"fail","Package":"github.com/crossgate/crossgate/q","FailedBuild":"github.com/crossgate/crossgate/q"}
`

func TestSink(t *testing.T) {
	s := newSink(true)
	w := s.stdout()
	for rest := []byte(stream); len(rest) > 0; { // events arrive in pieces
		n := min(len(rest), 7)
		w.Write(rest[:n])
		rest = rest[n:]
	}
	s.flush()
	if got, want := s.counts(), (counts{Passed: 1, Failures: 2, Skipped: 1}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
	var out bytes.Buffer
	s.printFailure(&out)
	s.printSkips(&out)
	for _, want := range []string{"got 1, want 2", "q/q.go:3:1: syntax error", "skipped: p TestB: p_test.go:7: no Envoy here"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "RUN   TestA") {
		t.Errorf("the output of a passed test is shown:\n%s", out.String())
	}
}

func TestStage(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	stream := filepath.Join(t.TempDir(), "stream")
	if err := os.WriteFile(stream, []byte(`{"Action":"skip","Package":"p","Test":"TestA"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("STAGE_TEST_CHILD", stream)
	for _, tt := range []struct {
		name   string
		stage  stage
		failed bool
		out    string
	}{
		{"a skip is told", stage{command: []string{self}, budget: time.Minute, gotest: true}, false, "0 passed, 0 failed, 1 skipped"},
		{"a skip fails in the CI", stage{command: []string{self}, budget: time.Minute, gotest: true, strict: true}, true, "nothing may be skipped"},
		{"the budget ends it", stage{command: []string{self, "sleep"}, budget: 50 * time.Millisecond}, true, "over its budget of 50ms"},
		{"no such command", stage{command: []string{self + "-no"}, budget: time.Minute}, true, "FAILED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			res := tt.stage.run(t.Context(), &out)
			if res.Failed != tt.failed || !strings.Contains(out.String(), tt.out) {
				t.Errorf("failed %v, want %v and %q in\n%s", res.Failed, tt.failed, tt.out, out.String())
			}
		})
	}
}

// TestMain lets the test binary be the command of the stages it tests.
func TestMain(m *testing.M) {
	if path := os.Getenv("STAGE_TEST_CHILD"); path != "" {
		if len(os.Args) > 1 {
			time.Sleep(time.Minute)
		}
		data, _ := os.ReadFile(path)
		os.Stdout.Write(data)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestReport(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "record")
	for _, r := range []result{
		{Name: "a", Seconds: 1.5, counts: counts{Passed: 3, Skipped: 1}},
		{Name: "b", Seconds: 0.5, Failed: true, counts: counts{Passed: 1, Failures: 2}},
	} {
		if err := r.appendTo(path); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if code := printReport(&out, path); code != 1 {
		t.Errorf("exit code %d after a failed stage, want 1", code)
	}
	if !strings.HasSuffix(out.String(), "\n4 passed, 2 failed, 1 skipped\n") {
		t.Errorf("the last line is not the sum:\n%s", out.String())
	}
	if code := printReport(&out, path+"-no"); code != 1 {
		t.Errorf("exit code %d without a record, want 1", code)
	}
	if data, err := json.Marshal(result{Name: "x"}); err != nil || !bytes.Contains(data, []byte(`"passed":0`)) {
		t.Errorf("%s %v: the counts belong to the record", data, err)
	}
}
