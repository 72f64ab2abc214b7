package xds

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"github.com/google/go-cmp/cmp"
)

const privateKey = "-----BEGIN PRIVATE KEY-----"

// withCertificate is the good bootstrap with a certificate, and a TLS context
// that carries another private key inside a typed_config.
func withCertificate(t *testing.T) *Snapshot {
	t.Helper()
	s, diags := LoadBootstrap("good.yaml", readGood(t))
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	s.Bootstrap = nil
	cert := &tlsv3.TlsCertificate{
		CertificateChain: &corev3.DataSource{Specifier: &corev3.DataSource_InlineBytes{InlineBytes: []byte("a certificate")}},
		PrivateKey:       &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: privateKey}},
	}
	s.Secrets = []*tlsv3.Secret{{Name: "kubernetes://api/tls", Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: cert}}}
	a, err := Pack(&tlsv3.DownstreamTlsContext{CommonTlsContext: &tlsv3.CommonTlsContext{TlsCertificates: []*tlsv3.TlsCertificate{cert}}})
	if err != nil {
		t.Fatal(err)
	}
	s.Listeners[0].FilterChains[0].TransportSocket = &corev3.TransportSocket{
		Name: "envoy.transport_sockets.tls", ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: a},
	}
	s.Seal()
	return s
}

// TestNoKeyIsShown: neither rendering shows a private key, wherever it is, and
// both show that there is one.
func TestNoKeyIsShown(t *testing.T) {
	s := withCertificate(t)
	version := s.Version
	rendered, err := s.Render()
	if err != nil {
		t.Fatal(err)
	}
	dumped, err := s.ConfigDump(DumpOptions{Endpoints: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"Render": rendered, "ConfigDump": dumped} {
		if bytes.Contains(text, []byte("PRIVATE")) || bytes.Count(text, []byte("[redacted]")) != 2 {
			t.Errorf("%s:\n%s", name, text)
		}
		if !json.Valid(text) || !bytes.HasPrefix(text, []byte("{\n \"")) {
			t.Errorf("%s is not JSON with one space of indent: %.40s", name, text)
		}
	}
	if s.Seal(); s.Version != version {
		t.Error("rendering changed the snapshot")
	}
}

func TestRenderIsDeterministic(t *testing.T) {
	s := withCertificate(t)
	first, err := s.Render()
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if again, _ := s.Render(); !bytes.Equal(first, again) {
			t.Fatal("two renderings differ")
		}
	}
}

func TestWriteBootstrapFiles(t *testing.T) {
	s := withCertificate(t)
	files := make(map[string]bool)
	text, err := s.WriteBootstrap(BootstrapOptions{WriteFile: func(name string, pem []byte, private bool) (string, error) {
		files[name] = private
		if private != strings.Contains(string(pem), "PRIVATE") {
			t.Errorf("%s: private = %v for %s", name, private, pem)
		}
		return "/keys/" + name, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"kubernetes_3a_2f_2fapi_2ftls.crt": false, "kubernetes_3a_2f_2fapi_2ftls.key": true}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Error(diff)
	}
	if !bytes.Contains(text, []byte(`"filename": "/keys/kubernetes_3a_2f_2fapi_2ftls.key"`)) {
		t.Errorf("the key's file is not named:\n%s", text)
	}
	if !bytes.Contains(text, []byte(`"name": "again"`)) {
		t.Errorf("a listener is missing:\n%s", text)
	}
	if _, err := s.WriteBootstrap(BootstrapOptions{}); err == nil {
		t.Error("without a place for keys there must be an error")
	}
	full := errors.New("disk full")
	if _, err := s.WriteBootstrap(BootstrapOptions{WriteFile: func(string, []byte, bool) (string, error) { return "", full }}); !errors.Is(err, full) {
		t.Errorf("err = %v", err)
	}
}

// TestWriteBootstrapLoads: what is written loads, and means the same when it is
// written again.
func TestWriteBootstrapLoads(t *testing.T) {
	dir := t.TempDir()
	opts := BootstrapOptions{Ports: Ports{Privileged: true}, WriteFile: func(name string, pem []byte, _ bool) (string, error) {
		path := filepath.Join(dir, name)
		return path, os.WriteFile(path, pem, 0o600)
	}}
	first, err := withCertificate(t).WriteBootstrap(opts)
	if err != nil {
		t.Fatal(err)
	}
	s, diags := LoadBootstrap("first.json", first)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	second, err := s.WriteBootstrap(opts)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(first), string(second)); diff != "" {
		t.Error(diff)
	}
}

// TestSystemRootsBecomeAFile: Envoy would verify nothing with system_root_certs.
func TestSystemRootsBecomeAFile(t *testing.T) {
	const name = "file-root:system"
	ctx, err := Pack(&tlsv3.UpstreamTlsContext{CommonTlsContext: &tlsv3.CommonTlsContext{
		ValidationContextType: &tlsv3.CommonTlsContext_CombinedValidationContext{CombinedValidationContext: &tlsv3.CommonTlsContext_CombinedCertificateValidationContext{
			DefaultValidationContext:         &tlsv3.CertificateValidationContext{},
			ValidationContextSdsSecretConfig: &tlsv3.SdsSecretConfig{Name: name},
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	s := &Snapshot{
		Clusters: []*clusterv3.Cluster{{Name: "secured", TransportSocket: &corev3.TransportSocket{
			Name: "envoy.transport_sockets.tls", ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: ctx},
		}}},
		Secrets: []*tlsv3.Secret{{Name: name, Type: &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
			SystemRootCerts: &tlsv3.CertificateValidationContext_SystemRootCerts{},
		}}}},
	}
	with, err := s.WriteBootstrap(BootstrapOptions{SystemRoots: "/etc/roots.pem"})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(with, []byte(`"filename": "/etc/roots.pem"`)) || bytes.Contains(with, []byte("system_root_certs")) {
		t.Errorf("the file is not named:\n%s", with)
	}
	without, err := s.WriteBootstrap(BootstrapOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(without, []byte(`"secured"`)) {
		t.Errorf("the cluster is there without what it is to be verified by:\n%s", without)
	}
}
