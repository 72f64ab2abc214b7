package engine

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/xds"
)

// TestEachMessageHasItsFields: the messages below one that has a list of fields have
// theirs, so that nothing is left aside in silence. google.protobuf's own have no
// fields that could be.
func TestEachMessageHasItsFields(t *testing.T) {
	for name, r := range rules {
		d := messageAt(name)
		for f, run := range r {
			fd := d.Fields().ByName(f)
			if inner := messageOf(fd); run && inner != nil && rules[fd.FullName()] == nil && rules[inner.FullName()] == nil {
				t.Errorf("%s.%s: %s has no list", name, f, inner.FullName())
			}
		}
	}
}

// messageOf is the message that a field holds, but for google.protobuf's.
func messageOf(fd protoreflect.FieldDescriptor) protoreflect.MessageDescriptor {
	d := fd.Message()
	if fd.IsMap() {
		d = fd.MapValue().Message()
	}
	if d == nil || d.ParentFile().Package() == "google.protobuf" {
		return nil
	}
	return d
}

// TestEachFieldOfASample sets the fields of every message of a bootstrap, one at a
// time: each that is not carried out is named by an error where the whole is
// compiled, wherever the message stands. The bootstrap holds every message that the
// engine reads, in every field where it reads one, and a real Envoy starts with it
// (test/square, TestFieldSample).
func TestEachFieldOfASample(t *testing.T) {
	base := fieldSample(t)
	if _, diags := Compile(base); len(diags) > 0 {
		t.Fatalf("the sample itself: %v", diags)
	}
	seen, filled, done := map[protoreflect.FullName]bool{}, map[string]bool{}, map[string]bool{}
	var sites []fieldSite
	walkFields(base, func(s fieldSite) {
		seen[s.list] = true
		s.message.Range(func(fd protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
			filled[string(s.list)+"."+string(fd.Name())] = true
			return true
		})
		if !done[s.path] {
			done[s.path] = true
			sites = append(sites, s)
		}
	})
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		if !seen[name] {
			t.Errorf("the sample has no %s", name)
		}
		for _, f := range slices.Sorted(maps.Keys(rules[name])) {
			if fd := messageAt(name).Fields().ByName(f); rules[name][f] && messageOf(fd) != nil && !filled[string(name)+"."+string(f)] {
				t.Errorf("the sample has no %s.%s", name, f)
			}
		}
	}
	for _, s := range sites {
		fields := s.message.Descriptor().Fields()
		for i := range fields.Len() {
			if _, taken := rules[s.list][fields.Get(i).Name()]; !taken {
				testRefused(t, base, s.path, fields.Get(i))
			}
		}
	}
	t.Logf("%d messages", len(sites))
}

func testRefused(t *testing.T, base *xds.Snapshot, path string, fd protoreflect.FieldDescriptor) {
	t.Helper()
	changed := cloneResources(base)
	once := false
	walkFields(changed, func(s fieldSite) {
		if s.path == path && !once {
			once = true
			setSomething(s.message, fd)
		}
	})
	_, diags := Compile(changed)
	if !slices.ContainsFunc(diags, func(d diag.Diagnostic) bool {
		return d.Severity == diag.Error && strings.Contains(d.Message, string(fd.Name()))
	}) {
		t.Errorf("%s.%s is ignored: %v", path, fd.Name(), diags)
	}
}

// fieldSite is a message of a snapshot.
type fieldSite struct {
	path    string // without the places in lists
	list    protoreflect.FullName
	message protoreflect.Message
}

// walkFields visits the messages of a snapshot that have lists of fields, those
// included that are packed. What the visit changes stays changed.
func walkFields(s *xds.Snapshot, visit func(fieldSite)) {
	for _, r := range resourcesOf(s) {
		m := r.ProtoReflect()
		walkMessage(fieldSite{string(m.Descriptor().Name()), m.Descriptor().FullName(), m}, visit)
	}
}

func walkMessage(s fieldSite, visit func(fieldSite)) {
	if packed, ok := s.message.Interface().(*anypb.Any); ok {
		inner, err := packed.UnmarshalNew()
		if err != nil {
			panic(err)
		}
		name := inner.ProtoReflect().Descriptor()
		walkMessage(fieldSite{s.path + "(" + string(name.Name()) + ")", name.FullName(), inner.ProtoReflect()}, visit)
		if err := packed.MarshalFrom(inner); err != nil {
			panic(err)
		}
		return
	}
	if rules[s.list] == nil {
		return
	}
	before := proto.Clone(s.message.Interface()).ProtoReflect()
	visit(s)
	fields := before.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !before.Has(fd) || !s.message.Has(fd) || !rules[s.list][fd.Name()] {
			continue
		}
		eachMessage(s.message.Get(fd), fd, func(m protoreflect.Message) {
			list := fd.FullName()
			if rules[list] == nil {
				list = m.Descriptor().FullName()
			}
			walkMessage(fieldSite{s.path + "." + string(fd.Name()), list, m}, visit)
		})
	}
}

// eachMessage visits the messages that a field holds.
func eachMessage(v protoreflect.Value, fd protoreflect.FieldDescriptor, visit func(protoreflect.Message)) {
	switch {
	case fd.IsMap() && fd.MapValue().Message() != nil:
		keys := map[string]protoreflect.Message{}
		v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			keys[k.String()] = v.Message()
			return true
		})
		for _, k := range slices.Sorted(maps.Keys(keys)) {
			visit(keys[k])
		}
	case fd.IsMap() || fd.Message() == nil:
	case fd.IsList():
		for i := range v.List().Len() {
			visit(v.List().Get(i).Message())
		}
	default:
		visit(v.Message())
	}
}

func resourcesOf(s *xds.Snapshot) (out []proto.Message) {
	for _, m := range s.Listeners {
		out = append(out, m)
	}
	for _, m := range s.Clusters {
		out = append(out, m)
	}
	for _, m := range s.Endpoints {
		out = append(out, m)
	}
	for _, m := range s.Routes {
		out = append(out, m)
	}
	for _, m := range s.Secrets {
		out = append(out, m)
	}
	return out
}

func cloneResources(s *xds.Snapshot) *xds.Snapshot {
	out := *s
	out.Listeners = cloneAll(s.Listeners)
	out.Clusters = cloneAll(s.Clusters)
	out.Endpoints = cloneAll(s.Endpoints)
	out.Routes = cloneAll(s.Routes)
	out.Secrets = cloneAll(s.Secrets)
	return &out
}

func cloneAll[M proto.Message](list []M) (out []M) {
	for _, m := range list {
		out = append(out, proto.CloneOf(m))
	}
	return out
}

// fieldSample is testdata/fields.yaml with a certificate. The endpoints of the cluster
// eds and the routes of the listener rds stand beside them, as they come by xDS.
func fieldSample(t *testing.T) *xds.Snapshot {
	t.Helper()
	text, err := os.ReadFile("testdata/fields.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cert, key := selfSigned(t, "a.test")
	s, diags := xds.LoadBootstrap("fields.yaml", []byte(strings.NewReplacer("$CERT", cert, "$KEY", key).Replace(string(text))))
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for _, c := range s.Clusters {
		if c.GetName() == "eds" {
			load := c.GetLoadAssignment()
			s.Endpoints = append(s.Endpoints, load)
			c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS}
			c.LoadAssignment = nil
			c.EdsClusterConfig = &clusterv3.Cluster_EdsClusterConfig{ServiceName: load.GetClusterName()}
		}
	}
	walkFields(s, func(site fieldSite) {
		if h, ok := site.message.Interface().(*hcmv3.HttpConnectionManager); ok && h.GetStatPrefix() == "rds" {
			s.Routes = append(s.Routes, h.GetRouteConfig())
			h.RouteSpecifier = &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{RouteConfigName: h.GetRouteConfig().GetName()}}
		}
	})
	return s
}
