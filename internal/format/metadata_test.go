package format

import (
	"testing"

	"google.golang.org/protobuf/types/known/structpb"
)

// TestMetadataInHeaders: what a header cannot carry does not make a second one.
func TestMetadataInHeaders(t *testing.T) {
	f, err := Parse("a%METADATA(ROUTE:m:k)%")
	if err != nil {
		t.Fatal(err)
	}
	s := request{metadata: map[string]*structpb.Struct{"m": {Fields: map[string]*structpb.Value{"k": structpb.NewStringValue("b\r\nx-admin: 1")}}}}
	if got := string(f.AppendHeader(nil, s)); got != "ab__x-admin: 1" {
		t.Errorf("%q", got)
	}
}

// TestCoalesceRefuses are configurations that mean nothing.
func TestCoalesceRefuses(t *testing.T) {
	for _, text := range []string{
		`{}`, `{"operators": []}`, `{"operators": "PROTOCOL"}`, `["PROTOCOL"]`, `{"operators": [1]}`, `{"operators": [null]}`, `{"operators": ["NOPE"]}`, `{"operators": [{}]}`,
		`{"operators": [{"command": "REQ"}]}`, `{"operators": [{"command": "REQ", "param": 1}]}`, `{"operators": [{"command": "REQ", "param": "a", "max_length": 0}]}`,
		`{"operators": [{"command": "REQ", "param": "a", "max_length": 1.5}]}`, `{"operators": [{"command": "PROTOCOL", "param": "a"}]}`,
		`{"operators": ["PROTOCOL"]`, `{"Operators": ["PROTOCOL"]}`,
	} {
		if _, err := Parse("%COALESCE(" + text + ")%"); err == nil {
			t.Errorf("%s is compiled", text)
		}
	}
}
