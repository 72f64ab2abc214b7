package translate

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/xds"
)

var update = flag.Bool("update", false, "rewrite the wanted parts of testdata/cases")

// TestCases runs testdata/cases: a sentence of why, YAML files, options, and
// what is wanted, in short: the snapshot's outline and the diagnostics.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/cases/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runCase(t, file) })
	}
}

func runCase(t *testing.T, file string) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	set, opts := caseInput(t, archive)
	s, diags := Snapshot(set, opts)
	got := map[string]string{"outline": outline(s), "diags": lines(diags)}
	if *update {
		rewrite(t, file, archive, got)
		return
	}
	for _, f := range archive.Files {
		if text, ok := got[f.Name]; ok {
			if diff := cmp.Diff(string(f.Data), text); diff != "" {
				t.Errorf("%s (-want +got):\n%s", f.Name, diff)
			}
		}
	}
}

// caseInput reads the YAML files and the options: "upstream HOST=ADDR:PORT",
// "secret NAMESPACE/NAME" for one with a certificate, "synthesize",
// "allow-unenforced".
func caseInput(t *testing.T, a *txtar.Archive) (*resource.Set, Options) {
	t.Helper()
	opts := Options{Node: DefaultNode(), Now: validFrom}
	var all []*resource.Resource
	for _, f := range a.Files {
		switch {
		case strings.HasSuffix(f.Name, ".yaml"):
			rs, diags := resource.Parse(f.Name, f.Data, resource.ParseOptions{})
			failOnErrors(t, diags)
			all = append(all, rs...)
		case f.Name == "options":
			for line := range strings.Lines(string(f.Data)) {
				all = append(all, option(t, strings.TrimSpace(line), &opts)...)
			}
		}
	}
	set, diags := resource.NewSet(all)
	failOnErrors(t, diags)
	return set, opts
}

func option(t *testing.T, line string, opts *Options) []*resource.Resource {
	t.Helper()
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "upstream":
		u, err := ParseUpstream(rest)
		if err != nil {
			t.Fatal(err)
		}
		opts.Upstreams = append(opts.Upstreams, u)
	case "secret":
		ns, name, _ := strings.Cut(rest, "/")
		return []*resource.Resource{testSecret(t, ns, name)}
	case "expired":
		opts.Now = validFrom.AddDate(1, 0, 0)
	case "allow-unenforced":
		opts.AllowUnenforced = true
	case "synthesize":
		opts.SynthesizeGateways = true
	default:
		t.Fatalf("unknown option %q", line)
	}
	return nil
}

func rewrite(t *testing.T, file string, a *txtar.Archive, got map[string]string) {
	t.Helper()
	for _, name := range []string{"outline", "diags"} {
		i := -1
		for j, f := range a.Files {
			if f.Name == name {
				i = j
			}
		}
		if i < 0 {
			a.Files = append(a.Files, txtar.File{Name: name})
			i = len(a.Files) - 1
		}
		a.Files[i].Data = []byte(got[name])
	}
	if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
		t.Fatal(err)
	}
}

func lines(diags diag.List) string {
	var b strings.Builder
	for _, d := range diags {
		fmt.Fprintln(&b, d)
		for _, r := range d.Related {
			fmt.Fprintf(&b, "\t%s: %s\n", r.Pos, r.Message)
		}
	}
	return b.String()
}

// outline renders what a snapshot says, without what is the same everywhere.
func outline(s *xds.Snapshot) string {
	var b bytes.Buffer
	for _, l := range s.Listeners {
		outlineListener(&b, l)
	}
	for _, rc := range s.Routes {
		fmt.Fprintf(&b, "routes %s\n", rc.GetName())
		for _, vh := range rc.GetVirtualHosts() {
			fmt.Fprintf(&b, "  host %s %v", vh.GetName(), vh.GetDomains())
			if vh.GetRequireTls() != 0 {
				fmt.Fprintf(&b, " require_tls:%s", vh.GetRequireTls())
			}
			b.WriteString("\n")
			for i, r := range vh.GetRoutes() {
				outlineRoute(&b, r, s.Origins[xds.RouteKey(rc.GetName(), vh.GetName(), i)])
			}
		}
	}
	endpoints := make(map[string]*endpointv3.ClusterLoadAssignment)
	for _, e := range s.Endpoints {
		endpoints[e.GetClusterName()] = e
	}
	for _, c := range s.Clusters {
		if c.GetName() != blackHole {
			outlineCluster(&b, c, endpoints[c.GetName()])
		}
	}
	for _, sec := range s.Secrets {
		fmt.Fprintf(&b, "secret %s\n", sec.GetName())
	}
	return b.String()
}

func outlineListener(b *bytes.Buffer, l *listenerv3.Listener) {
	fmt.Fprintf(b, "listener %s\n", l.GetName())
	for _, fc := range l.GetFilterChains() {
		hcm := xds.ConnectionManager(fc.GetFilters()[0])
		fmt.Fprintf(b, "  chain %v stat_prefix:%s rds:%s", fc.GetFilterChainMatch().GetServerNames(), hcm.GetStatPrefix(), hcm.GetRds().GetRouteConfigName())
		ctx := new(tlsv3.DownstreamTlsContext)
		if fc.GetTransportSocket().GetTypedConfig().UnmarshalTo(ctx) == nil {
			for _, c := range ctx.GetCommonTlsContext().GetTlsCertificateSdsSecretConfigs() {
				fmt.Fprintf(b, " secret:%s", c.GetName())
			}
			if p := ctx.GetCommonTlsContext().GetTlsParams(); p != nil {
				fmt.Fprintf(b, " %s", compact(p))
			}
		}
		b.WriteString("\n")
	}
}

func outlineRoute(b *bytes.Buffer, r *routev3.Route, pos diag.Pos) {
	r = proto.CloneOf(r)
	r.Metadata, r.Decorator = nil, nil
	if a := r.GetRoute(); a != nil {
		if a.GetTimeout().AsDuration() == 0 {
			a.Timeout, a.MaxGrpcTimeout = nil, nil //nolint:staticcheck
		}
		if a.GetRetryPolicy() != nil {
			a.RetryPolicy.RetryHostPredicate = nil
		}
		if a.GetRetryPolicy().GetRetryOn() == defaultRetryOn && a.GetRetryPolicy().GetNumRetries().GetValue() == defaultRetries {
			a.RetryPolicy = nil
		}
	}
	fmt.Fprintf(b, "    %s %s\n", pos, compact(r))
}

func outlineCluster(b *bytes.Buffer, c *clusterv3.Cluster, e *endpointv3.ClusterLoadAssignment) {
	fmt.Fprintf(b, "cluster %s %s", c.GetName(), c.GetType())
	if len(c.GetTransportSocketMatches()) > 0 {
		b.WriteString(" auto-tls")
	}
	if e == nil {
		e = c.GetLoadAssignment()
	}
	for _, group := range e.GetEndpoints() {
		for _, lb := range group.GetLbEndpoints() {
			sock := lb.GetEndpoint().GetAddress().GetAddress().(*corev3.Address_SocketAddress).SocketAddress
			fmt.Fprintf(b, " %s:%d", sock.GetAddress(), sock.GetPortValue())
		}
	}
	if p := c.GetTypedExtensionProtocolOptions(); p != nil {
		fmt.Fprintf(b, " %s", compact(p["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]))
	}
	b.WriteString("\n")
}

// compact is the JSON of a message on one line, always the same.
func compact(m proto.Message) string {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return err.Error()
	}
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		return err.Error()
	}
	return b.String()
}
