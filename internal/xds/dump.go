package xds

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// DumpOptions are the query parameters of Envoy's /config_dump.
type DumpOptions struct {
	// Resource selects one repeated field of the dump, such as
	// dynamic_route_configs; its elements then become the configs.
	Resource string
	// Mask is a comma-separated field mask of top-level fields for every
	// section or, with Resource, for its elements.
	Mask string
	// Endpoints adds the section of endpoints (include_eds).
	Endpoints bool
	// Updated is reported as the time of the last update.
	Updated time.Time
	// Bootstrap is shown for a snapshot that was not loaded from one.
	Bootstrap *bootstrapv3.Bootstrap
}

// DumpError is the answer to query parameters that fit no dump, in Envoy's
// words.
type DumpError struct {
	// Status is the HTTP status that Envoy answers with.
	Status  int
	Message string
}

func (e *DumpError) Error() string { return e.Message }

// ConfigDump returns the snapshot in the JSON of Envoy's /config_dump, with one
// space of indent and sensitive values redacted. A snapshot that was loaded from
// a bootstrap has static resources, any other dynamic ones. It returns
// a DumpError for a resource or mask that names no field.
func (s *Snapshot) ConfigDump(o DumpOptions) ([]byte, error) {
	sections, err := s.sections(o)
	if err != nil {
		return nil, err
	}
	if o.Resource != "" {
		if sections, err = elements(sections, o.Resource); err != nil {
			return nil, err
		}
	}
	dump := new(adminv3.ConfigDump)
	matched := o.Mask == "" || len(sections) == 0
	for _, m := range sections {
		if o.Mask != "" {
			kept := applyMask(m, o.Mask)
			matched = matched || kept
			if !kept {
				continue
			}
		}
		a, err := Pack(redact(m))
		if err != nil {
			return nil, err
		}
		dump.Configs = append(dump.Configs, a)
	}
	if !matched {
		return nil, &DumpError{http.StatusBadRequest, fmt.Sprintf("FieldMask %s could not be successfully applied to any configs.", o.Mask)}
	}
	return marshalJSON(dump)
}

// sections returns the messages of a full dump in Envoy's order.
func (s *Snapshot) sections(o DumpOptions) ([]proto.Message, error) {
	d := &dumper{snapshot: s, static: s.Bootstrap != nil, updated: timestamppb.New(o.Updated.Truncate(time.Millisecond))}
	bootstrap := s.Bootstrap
	if bootstrap == nil {
		bootstrap = o.Bootstrap
	}
	sections := []proto.Message{&adminv3.BootstrapConfigDump{Bootstrap: bootstrap, LastUpdated: d.updated}, d.clusters()}
	if o.Endpoints {
		sections = append(sections, d.endpoints())
	}
	sections = append(sections, d.listeners(), &adminv3.ScopedRoutesConfigDump{}, d.routes(), d.secrets())
	return sections, d.err
}

// dumper makes the sections; the first error stays.
type dumper struct {
	snapshot *Snapshot
	static   bool
	updated  *timestamppb.Timestamp
	err      error
}

func (d *dumper) pack(m proto.Message) *anypb.Any {
	a, err := Pack(m)
	if err != nil && d.err == nil {
		d.err = err
	}
	return a
}

func (d *dumper) clusters() proto.Message {
	out := new(adminv3.ClustersConfigDump)
	for _, c := range d.snapshot.Clusters {
		if d.static {
			out.StaticClusters = append(out.StaticClusters, &adminv3.ClustersConfigDump_StaticCluster{
				Cluster: d.pack(c), LastUpdated: d.updated,
			})
			continue
		}
		out.DynamicActiveClusters = append(out.DynamicActiveClusters, &adminv3.ClustersConfigDump_DynamicCluster{
			VersionInfo: d.snapshot.Version, Cluster: d.pack(c), LastUpdated: d.updated,
		})
	}
	if !d.static {
		out.VersionInfo = d.snapshot.Version
	}
	return out
}

func (d *dumper) endpoints() proto.Message {
	out := new(adminv3.EndpointsConfigDump)
	for _, c := range d.snapshot.Clusters {
		if c.GetLoadAssignment() != nil {
			out.StaticEndpointConfigs = append(out.StaticEndpointConfigs, &adminv3.EndpointsConfigDump_StaticEndpointConfig{
				EndpointConfig: d.pack(c.GetLoadAssignment()), LastUpdated: d.updated,
			})
		}
	}
	for _, e := range d.snapshot.Endpoints {
		out.DynamicEndpointConfigs = append(out.DynamicEndpointConfigs, &adminv3.EndpointsConfigDump_DynamicEndpointConfig{
			VersionInfo: d.snapshot.Version, EndpointConfig: d.pack(e), LastUpdated: d.updated,
		})
	}
	return out
}

func (d *dumper) listeners() proto.Message {
	out := new(adminv3.ListenersConfigDump)
	for _, l := range d.snapshot.Listeners {
		if d.static {
			out.StaticListeners = append(out.StaticListeners, &adminv3.ListenersConfigDump_StaticListener{
				Listener: d.pack(l), LastUpdated: d.updated,
			})
			continue
		}
		out.DynamicListeners = append(out.DynamicListeners, &adminv3.ListenersConfigDump_DynamicListener{
			Name: l.GetName(),
			ActiveState: &adminv3.ListenersConfigDump_DynamicListenerState{
				VersionInfo: d.snapshot.Version, Listener: d.pack(l), LastUpdated: d.updated,
			},
		})
	}
	if !d.static {
		out.VersionInfo = d.snapshot.Version
	}
	return out
}

func (d *dumper) routes() proto.Message {
	out := new(adminv3.RoutesConfigDump)
	for _, r := range d.snapshot.inlineRoutes() {
		out.StaticRouteConfigs = append(out.StaticRouteConfigs, &adminv3.RoutesConfigDump_StaticRouteConfig{
			RouteConfig: d.pack(r), LastUpdated: d.updated,
		})
	}
	for _, r := range d.snapshot.Routes {
		out.DynamicRouteConfigs = append(out.DynamicRouteConfigs, &adminv3.RoutesConfigDump_DynamicRouteConfig{
			VersionInfo: d.snapshot.Version, RouteConfig: d.pack(r), LastUpdated: d.updated,
		})
	}
	return out
}

func (d *dumper) secrets() proto.Message {
	out := new(adminv3.SecretsConfigDump)
	for _, s := range d.snapshot.Secrets {
		if d.static {
			// Envoy gives static secrets no time.
			out.StaticSecrets = append(out.StaticSecrets, &adminv3.SecretsConfigDump_StaticSecret{Name: s.GetName(), Secret: d.pack(s)})
			continue
		}
		out.DynamicActiveSecrets = append(out.DynamicActiveSecrets, &adminv3.SecretsConfigDump_DynamicSecret{
			Name: s.GetName(), VersionInfo: d.snapshot.Version, LastUpdated: d.updated, Secret: d.pack(s),
		})
	}
	return out
}

// elements returns the elements of the repeated field with a name, of whichever
// section has it.
func elements(sections []proto.Message, field string) ([]proto.Message, error) {
	for _, m := range sections {
		fd := m.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(field))
		if fd == nil {
			continue
		}
		if !fd.IsList() || fd.Message() == nil {
			return nil, &DumpError{http.StatusBadRequest, fmt.Sprintf("%s is not a repeated field. Use ?mask=%s to get only this field", field, field)}
		}
		list := m.ProtoReflect().Get(fd).List()
		out := make([]proto.Message, 0, list.Len())
		for i := range list.Len() {
			out = append(out, list.Get(i).Message().Interface())
		}
		return out, nil
	}
	return nil, &DumpError{http.StatusNotFound, field + " not found in config dump"}
}

// applyMask clears every field that the mask does not name. It reports whether
// the message has one of the named fields at all.
func applyMask(m proto.Message, mask string) bool {
	keep := make(map[string]bool)
	for name := range strings.SplitSeq(mask, ",") {
		name, _, _ = strings.Cut(strings.TrimSpace(name), ".")
		keep[name] = true
	}
	found := false
	fields := m.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		if fd := fields.Get(i); keep[string(fd.Name())] {
			found = true
		} else {
			m.ProtoReflect().Clear(fd)
		}
	}
	return found
}
