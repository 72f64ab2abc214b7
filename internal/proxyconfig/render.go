package proxyconfig

import (
	"bytes"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoregistry"
	"sigs.k8s.io/yaml"
)

// Format is a form for machines.
type Format string

// The formats of istioctl's --output beside its tables.
const (
	JSON Format = "json"
	YAML Format = "yaml"
)

// Messages are what RenderList takes of a list of one type.
func Messages[M proto.Message](list []M) []proto.Message {
	out := make([]proto.Message, len(list))
	for i, m := range list {
		out[i] = m
	}
	return out
}

// RenderList writes messages as istioctl does: a list, fields in lowerCamelCase,
// JSON with four blanks of indent. Further elements follow the messages.
func RenderList(f Format, list []proto.Message, further ...Alias) ([]byte, error) {
	all := make([]json.RawMessage, 0, len(list)+len(further))
	for _, m := range list {
		text, err := marshal(m)
		if err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	for _, a := range further {
		text, err := json.Marshal(a)
		if err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	text, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	return format(f, text)
}

// Render writes one message.
func Render(f Format, m proto.Message) ([]byte, error) {
	text, err := marshal(m)
	if err != nil {
		return nil, err
	}
	return format(f, text)
}

// RenderDump writes a dump as it came.
func RenderDump(f Format, dump []byte) ([]byte, error) {
	if f == YAML {
		return format(f, dump)
	}
	return append(bytes.TrimRight(dump, "\n"), '\n'), nil
}

func marshal(m proto.Message) (json.RawMessage, error) {
	return protojson.MarshalOptions{Resolver: lenient{protoregistry.GlobalTypes}}.Marshal(m)
}

func format(f Format, text []byte) ([]byte, error) {
	switch f {
	case YAML:
		out, err := yaml.JSONToYAML(text)
		return append(out, '\n'), err
	case JSON:
		var compact, out bytes.Buffer
		if err := json.Compact(&compact, text); err != nil {
			return nil, err
		}
		if err := json.Indent(&out, compact.Bytes(), "", "    "); err != nil {
			return nil, err
		}
		out.WriteByte('\n')
		return out.Bytes(), nil
	}
	return nil, fmt.Errorf("output format %q not supported", f)
}
