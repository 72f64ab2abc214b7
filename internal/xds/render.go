package xds

import (
	"bytes"
	"fmt"

	"google.golang.org/protobuf/proto"
)

// Render returns the snapshot's resources as readable JSON: an object with the
// lists listeners, routes, clusters, endpoints and secrets, private keys
// redacted. Equal snapshots give equal bytes.
func (s *Snapshot) Render() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("{")
	for i, section := range []struct {
		name      string
		resources []proto.Message
	}{
		{"listeners", messages(s.Listeners)},
		{"routes", messages(s.Routes)},
		{"clusters", messages(s.Clusters)},
		{"endpoints", messages(s.Endpoints)},
		{"secrets", messages(s.Secrets)},
	} {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, "%q:[", section.name)
		for j, m := range section.resources {
			if j > 0 {
				b.WriteString(",")
			}
			text, err := marshalJSON(redact(m))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", section.name, err)
			}
			b.Write(text)
		}
		b.WriteString("]")
	}
	b.WriteString("}")
	return indent(b.Bytes())
}

func messages[M proto.Message](list []M) []proto.Message {
	out := make([]proto.Message, 0, len(list))
	for _, m := range list {
		out = append(out, m)
	}
	return out
}
