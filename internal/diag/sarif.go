package diag

import (
	"encoding/json"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
)

// Rule explains a code in a SARIF log.
type Rule struct {
	ID, Short, Help string
}

// SARIFOptions say what a SARIF log tells of the program.
type SARIFOptions struct {
	Version string
	// Rules are all that the program has, sorted by their IDs.
	Rules []Rule
}

// WriteSARIF prints the diagnostics as a SARIF 2.1.0 log of one run, as code
// scanning takes it: https://docs.oasis-open.org/sarif/sarif/v2.1.0. Columns count
// bytes, as those of a Pos do, which SARIF has no word for.
func WriteSARIF(w io.Writer, l List, o SARIFOptions) error {
	l = slices.Clone(l)
	l.Sort()
	driver := sarifDriver{Name: "crossgate", InformationURI: "https://github.com/crossgate/crossgate", Version: o.Version, Rules: []sarifRule{}}
	index := make(map[string]int)
	for i, r := range o.Rules {
		index[r.ID] = i
		driver.Rules = append(driver.Rules, sarifRule{ID: r.ID, Short: sarifText{r.Short}, Help: sarifText{r.Help}})
	}
	results := []sarifResult{}
	for _, d := range l {
		results = append(results, d.sarif(index))
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(sarifLog{
		Schema:  "https://json.schemastore.org/sarif-2.1.0.json",
		Version: "2.1.0",
		Runs:    []sarifRun{{Tool: sarifTool{driver}, Results: results}},
	})
}

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool    sarifTool     `json:"tool"`
	Results []sarifResult `json:"results"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name           string      `json:"name"`
	InformationURI string      `json:"informationUri"`
	Version        string      `json:"version,omitempty"`
	Rules          []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID    string    `json:"id"`
	Short sarifText `json:"shortDescription"`
	Help  sarifText `json:"help"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifResult struct {
	RuleID    string          `json:"ruleId"`
	RuleIndex *int            `json:"ruleIndex,omitempty"`
	Level     string          `json:"level"`
	Message   sarifText       `json:"message"`
	Locations []sarifLocation `json:"locations,omitempty"`
	Related   []sarifLocation `json:"relatedLocations,omitempty"`
}

type sarifLocation struct {
	Physical *sarifPhysical `json:"physicalLocation,omitempty"`
	Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	Message  *sarifText     `json:"message,omitempty"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   *sarifRegion  `json:"region,omitempty"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifRegion struct {
	StartLine   int `json:"startLine"`
	StartColumn int `json:"startColumn,omitempty"`
}

type sarifLogical struct {
	FullyQualifiedName string `json:"fullyQualifiedName"`
}

func (d Diagnostic) sarif(index map[string]int) sarifResult {
	level := map[Severity]string{Error: "error", Warning: "warning", Info: "note"}[d.Severity]
	r := sarifResult{RuleID: d.Code, Level: level, Message: sarifText{cut(d.Message)}}
	if i, ok := index[d.Code]; ok {
		r.RuleIndex = &i
	}
	at := d.Pos.sarif()
	if name := strings.TrimSpace(d.Object + " " + d.Path); name != "" {
		at.Logical = []sarifLogical{{name}}
	}
	if at.Physical != nil || at.Logical != nil {
		r.Locations = []sarifLocation{at}
	}
	for _, rel := range d.Related {
		at := rel.Pos.sarif()
		at.Message = &sarifText{rel.Message}
		r.Related = append(r.Related, at)
	}
	return r
}

func (p Pos) sarif() sarifLocation {
	if p.File == "" {
		return sarifLocation{}
	}
	out := &sarifPhysical{Artifact: sarifArtifact{fileURI(p.File)}}
	if p.Line > 0 {
		out.Region = &sarifRegion{StartLine: p.Line, StartColumn: p.Col}
	}
	return sarifLocation{Physical: out}
}

// fileURI is relative to the working directory where the path is.
func fileURI(path string) string {
	u := url.URL{Path: filepath.ToSlash(filepath.Clean(path))}
	if filepath.IsAbs(path) {
		u.Scheme = "file"
	}
	return u.String()
}
