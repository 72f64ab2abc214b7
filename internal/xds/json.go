package xds

import (
	"bytes"
	"encoding/json"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// marshalJSON renders a message with the field names of the protos and one
// space of indent, as Envoy's admin interface does. The bytes are equal for
// equal messages: protojson adds blanks at random, which Indent removes.
func marshalJSON(m proto.Message) ([]byte, error) {
	return MarshalJSON(m, false)
}

func indent(text []byte) ([]byte, error) {
	var compact, out bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return nil, err
	}
	if err := json.Indent(&out, compact.Bytes(), "", " "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// MarshalJSON renders a message as the admin interface shows it; with zeros, fields
// that are zero or empty lists are there too, as Envoy writes them in some answers.
func MarshalJSON(m proto.Message, zeros bool) ([]byte, error) {
	text, err := protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: zeros}.Marshal(m)
	if err != nil {
		return nil, err
	}
	return indent(text)
}
