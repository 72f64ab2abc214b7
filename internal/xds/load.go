package xds

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"sigs.k8s.io/yaml"

	"github.com/crossgate/crossgate/internal/diag"
)

// The codes of the diagnostics of this package.
const (
	// CodePort: a listener cannot have the port it is mapped to.
	CodePort = "CG0301"
	// CodeBootstrap: the bootstrap has a field, type or value that Envoy does
	// not know.
	CodeBootstrap = "CG0302"
	// CodeBootstrapDynamic: the bootstrap asks for what is not in the file.
	CodeBootstrapDynamic = "CG0303"
)

// The limits of a bootstrap.
const (
	// maxBootstrapBytes is far above any bootstrap written by hand or tool.
	maxBootstrapBytes = 64 << 20
	// maxExpansion bounds what aliases can make of a small file: JSON may be
	// this many times the YAML, or the floor below.
	maxExpansion      = 20
	maxExpansionFloor = 4 << 20
	// maxDepth is the deepest nesting; Envoy's own is about that.
	maxDepth = 200
)

// LoadBootstrap reads an Envoy bootstrap (JSON or YAML, static resources only)
// into a snapshot. What is unknown, of a wrong type or not static is an error
// in the list, at a position in the file as far as it can be told; the snapshot
// is nil if there is any. Constraints of single fields are Envoy's own
// (protoc-gen-validate); what needs more than one field or a regex engine is
// left to who runs the snapshot.
func LoadBootstrap(file string, data []byte) (*Snapshot, diag.List) {
	fail := func(pos diag.Pos, err error) (*Snapshot, diag.List) {
		return nil, diag.List{{Pos: pos, Severity: diag.Error, Code: CodeBootstrap, Message: err.Error()}}
	}
	if len(data) > maxBootstrapBytes {
		return fail(diag.Pos{File: file}, fmt.Errorf("larger than %d MiB", maxBootstrapBytes>>20))
	}
	text, pos, err := toJSON(file, data)
	if err != nil {
		return fail(pos, err)
	}
	if trimmed := bytes.TrimSpace(text); len(trimmed) == 0 || trimmed[0] != '{' {
		return fail(diag.Pos{File: file, Line: 1, Col: 1}, errors.New("an Envoy bootstrap is a mapping (static_resources: …)"))
	}
	index := newPositions(file, data)
	b := new(bootstrapv3.Bootstrap)
	if err := unmarshal(text, b); err != nil {
		l := &locator{index: index}
		l.message(text, b.ProtoReflect().Descriptor(), "")
		if len(l.diags) == 0 {
			return fail(diag.Pos{File: file}, err)
		}
		l.diags.Sort()
		return nil, l.diags
	}
	diags := append(validate(b, index), dynamic(b, index)...)
	diags.Sort()
	if diags.HasErrors() {
		return nil, diags
	}
	s := fromBootstrap(b, index)
	s.Seal()
	return s, diags
}

// unmarshal decodes the JSON form of a message, strictly.
func unmarshal(text []byte, m proto.Message) error {
	return protojson.UnmarshalOptions{RecursionLimit: maxDepth}.Unmarshal(text, m)
}

// toJSON returns the document as JSON, or the place of what is wrong with it.
func toJSON(file string, data []byte) ([]byte, diag.Pos, error) {
	if json.Valid(data) {
		return data, diag.Pos{}, nil
	}
	if trimmed := bytes.TrimSpace(data); len(trimmed) > 0 && trimmed[0] == '{' {
		// It starts as JSON: if YAML does not take it either, the error of JSON
		// is the one that helps.
		if text, err := yamlToJSON(data); err == nil {
			return text, diag.Pos{}, nil
		}
		return nil, jsonErrorPos(file, data), errors.New("not valid JSON: " + jsonError(data).Error())
	}
	text, err := yamlToJSON(data)
	if err != nil {
		return nil, yamlErrorPos(file, data, err), err
	}
	return text, diag.Pos{}, nil
}

func yamlToJSON(data []byte) (text []byte, err error) {
	defer func() {
		// The YAML library panics on some malformed inputs.
		if r := recover(); r != nil {
			err = fmt.Errorf("not valid YAML: %v", r)
		}
	}()
	text, err = yaml.YAMLToJSONStrict(data)
	if err != nil {
		return nil, err
	}
	if len(text) > max(maxExpansion*len(data), maxExpansionFloor) {
		return nil, errors.New("aliases make the document too large")
	}
	return text, nil
}

// dynamic reports what a bootstrap wants from elsewhere, and which of its parts
// have no effect here.
func dynamic(b *bootstrapv3.Bootstrap, index *positions) diag.List {
	var out diag.List
	m := b.ProtoReflect()
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		name := string(fd.Name())
		if !m.Has(fd) || usedFields[name] {
			continue
		}
		d := diag.Diagnostic{
			Pos: index.At(name), Severity: diag.Warning, Code: CodeBootstrap, Path: name,
			Message: "this part of the bootstrap has no effect",
		}
		if dynamicFields[name] {
			d.Severity, d.Code = diag.Error, CodeBootstrapDynamic
			d.Message = "only static resources are supported; configuration from elsewhere is not"
		}
		out = append(out, d)
	}
	return out
}

// usedFields are the parts of a bootstrap that mean something to who runs it.
var usedFields = map[string]bool{
	"node": true, "static_resources": true, "admin": true, "layered_runtime": true,
}

// dynamicFields name servers that the configuration should come from. Without
// them the proxy would not be what was written.
var dynamicFields = map[string]bool{
	"dynamic_resources": true, "hds_config": true, "config_sources": true, "default_config_source": true,
}
