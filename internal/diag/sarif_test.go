package diag

import (
	"bytes"
	"encoding/json"
	"testing"
)

// TestWriteSARIF checks what readers of the format rely on: section 3 of the
// standard says which properties must be there.
func TestWriteSARIF(t *testing.T) {
	l := List{
		{Pos: Pos{File: "dir/a b.yaml", Line: 3, Col: 7}, Severity: Error, Code: "IST0106", Object: "VirtualService a/b", Path: "spec.http[0]", Message: "bad", Related: []Related{{Pos{File: "c.yaml", Line: 1}, "here"}}},
		{Pos: Pos{File: "/abs/x.yaml"}, Severity: Warning, Code: "CG0008", Message: "missing"},
		{Severity: Info, Code: "CG9999", Message: "nowhere"},
	}
	var b bytes.Buffer
	if err := WriteSARIF(&b, l, SARIFOptions{Version: "1.2.3", Rules: []Rule{{"CG0008", "short", "help"}, {"IST0106", "short", "help"}}}); err != nil {
		t.Fatal(err)
	}
	var log sarifLog
	d := json.NewDecoder(&b)
	d.DisallowUnknownFields()
	if err := d.Decode(&log); err != nil {
		t.Fatal(err)
	}
	if log.Version != "2.1.0" || len(log.Runs) != 1 {
		t.Fatalf("%+v", log)
	}
	run := log.Runs[0]
	if d := run.Tool.Driver; d.Name != "crossgate" || d.Version != "1.2.3" || len(d.Rules) != 2 || d.Rules[1].Help.Text != "help" {
		t.Errorf("driver %+v", d)
	}
	byRule := make(map[string]sarifResult)
	for _, r := range run.Results {
		byRule[r.RuleID] = r
		if r.RuleIndex != nil && run.Tool.Driver.Rules[*r.RuleIndex].ID != r.RuleID {
			t.Errorf("%s: its index is that of another rule", r.RuleID)
		}
	}
	full := byRule["IST0106"]
	at := full.Locations[0].Physical
	if full.Level != "error" || full.RuleIndex == nil || at.Artifact.URI != "dir/a%20b.yaml" || at.Region.StartLine != 3 || at.Region.StartColumn != 7 {
		t.Errorf("%+v %+v", full, at)
	}
	if got := full.Locations[0].Logical[0].FullyQualifiedName; got != "VirtualService a/b spec.http[0]" {
		t.Errorf("logical location %q", got)
	}
	if rel := full.Related[0]; rel.Physical.Region.StartLine != 1 || rel.Message.Text != "here" {
		t.Errorf("related %+v", rel)
	}
	if file := byRule["CG0008"]; file.Level != "warning" || file.Locations[0].Physical.Artifact.URI != "file:///abs/x.yaml" || file.Locations[0].Physical.Region != nil {
		t.Errorf("%+v", file)
	}
	if bare := byRule["CG9999"]; bare.Level != "note" || bare.Locations != nil || bare.RuleIndex != nil {
		t.Errorf("%+v", bare)
	}
}
