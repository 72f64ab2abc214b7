package proxyconfig

import (
	"errors"
	"fmt"
	"strings"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"
)

// Dump is a config_dump.
type Dump struct{ configs []*anypb.Any }

// ParseDump reads a config_dump in Envoy's JSON. Fields and extensions that are
// not known, such as those of a newer Envoy, are passed over.
func ParseDump(data []byte) (*Dump, error) {
	dump := new(adminv3.ConfigDump)
	if err := unmarshal(data, dump); err != nil {
		return nil, fmt.Errorf("not a config_dump: %w", err)
	}
	if len(dump.GetConfigs()) == 0 {
		return nil, errors.New("not a config_dump: it has no configs")
	}
	return &Dump{dump.GetConfigs()}, nil
}

func unmarshal(data []byte, m proto.Message) error {
	return protojson.UnmarshalOptions{DiscardUnknown: true, Resolver: lenient{protoregistry.GlobalTypes}}.Unmarshal(data, m)
}

// lenient finds a type for every name: one that is not known has no fields, so
// that nothing of it is read.
type lenient struct{ *protoregistry.Types }

func (l lenient) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	if t, err := l.Types.FindMessageByURL(url); err == nil {
		return t, nil
	}
	return new(routev3.NonForwardingAction).ProtoReflect().Type(), nil
}

// section reads the one section of the type into m; as istioctl, the last one if
// there are several. It reports whether there is any.
func (d *Dump) section(m proto.Message) (bool, error) {
	for i := len(d.configs) - 1; i >= 0; i-- {
		if d.configs[i].MessageIs(m) {
			return true, d.configs[i].UnmarshalTo(m)
		}
	}
	return false, nil
}

// require is section for what must be there.
func (d *Dump) require(m proto.Message) error {
	ok, err := d.section(m)
	if err == nil && !ok {
		err = fmt.Errorf("config dump has no configuration type type.googleapis.com/%s", m.ProtoReflect().Descriptor().FullName())
	}
	return err
}

// unpack reads packed resources, those that are there; what names them in errors.
func unpack[M proto.Message](what string, packed []*anypb.Any, fresh func() M) ([]M, error) {
	out := make([]M, 0, len(packed))
	for _, a := range packed {
		if a == nil {
			continue
		}
		m := fresh()
		if err := a.UnmarshalTo(m); err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		out = append(out, m)
	}
	return out, nil
}

// unpackSome is unpack where no resource at all is an error.
func unpackSome[M proto.Message](what string, packed []*anypb.Any, fresh func() M) ([]M, error) {
	out, err := unpack(what, packed, fresh)
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("no %s found", what)
	}
	return out, err
}

// clusterKey is a cluster's name taken apart.
type clusterKey struct {
	direction, subset, host string
	port                    int
}

// parseClusterKey takes DIRECTION|PORT|SUBSET|HOST apart; it reports false for
// other names, which it puts in host. Names with too many parts have no host, as
// in istioctl.
func parseClusterKey(name string) (clusterKey, bool) {
	if strings.Count(name, "|") < 3 {
		return clusterKey{host: name}, false
	}
	sep := "|"
	// The form that names of DNS SRV records have.
	if strings.HasPrefix(name, "outbound_") || strings.HasPrefix(name, "inbound_") {
		sep = "_."
	}
	parts := strings.SplitN(name, sep, 4)
	var k clusterKey
	if len(parts) > 1 {
		k.direction = parts[0]
	}
	if len(parts) > 2 {
		k.port = atoi(parts[1])
	}
	if len(parts) > 3 {
		k.subset = parts[2]
		if !strings.Contains(parts[3], sep) {
			k.host = parts[3]
		}
	}
	return k, true
}

// before is the order of istioctl's lists of clusters.
func (k clusterKey) before(o clusterKey) bool {
	switch {
	case k.host != o.host:
		return k.host < o.host
	case k.subset != o.subset:
		return k.subset < o.subset
	case k.port != o.port:
		return k.port < o.port
	}
	return k.direction < o.direction
}
