package proxyconfig

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const nodeDump = `{"configs": [{"@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump", "bootstrap": {"node": NODE}}]}`

func TestName(t *testing.T) {
	const ours = `{"id": "istio-ingressgateway.istio-system", "cluster": "istio-ingressgateway"}`
	const istios = `{"id": "router~10.0.0.1~istio-ingressgateway-6f9c-x2x4v.istio-system~istio-system.svc.cluster.local",
		"metadata": {"WORKLOAD_NAME": "istio-ingressgateway", "NAME": "istio-ingressgateway-6f9c-x2x4v", "NAMESPACE": "istio-system"}}`
	for _, tt := range []struct {
		arg, namespace, node string
		ok                   bool
	}{
		{"deploy/istio-ingressgateway", "istio-system", ours, true},
		{"deployment/istio-ingressgateway", "", ours, true},
		{"deploy/istio-ingressgateway.istio-system", "", ours, true},
		{"istio-ingressgateway-6f9c-x2x4v", "istio-system", ours, true},
		{"pod/istio-ingressgateway-6f9c-x2x4v", "istio-system", istios, true},
		{"istio-ingressgateway-6f9c-x2x4v.istio-system", "other", istios, true},
		{"deploy/istio-ingressgateway", "istio-system", istios, true},
		{"deploy/anything", "anywhere", `{}`, true}, // it does not say who it is
		{"deploy/istio-ingressgateway-6f9c-x2x4v", "", ours, false},
		{"deploy/istio-egressgateway", "istio-system", ours, false},
		{"istio-ingressgateway", "production", ours, false},
		{"istio-ingressgateway.production", "istio-system", ours, false},
		{"istio-egressgateway-1", "istio-system", istios, false},
	} {
		name, ok := ParseName(tt.arg, tt.namespace)
		if !ok {
			t.Errorf("%s is no name", tt.arg)
			continue
		}
		d, err := ParseDump([]byte(strings.Replace(nodeDump, "NODE", tt.node, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if err := name.Check(d); (err == nil) != tt.ok {
			t.Errorf("%s -n %q on %s: %v", tt.arg, tt.namespace, tt.node, err)
		}
	}
	for _, arg := range []string{"", "/", "./config", "config/x", "deploy/", "deploy/a/b", "../x", "a/b/c"} {
		if name, ok := ParseName(arg, ""); ok {
			t.Errorf("%q is taken for the name %v", arg, name)
		}
	}
}

// TestInstance shows what is made of the answers of an admin interface, and of
// none.
func TestInstance(t *testing.T) {
	answers := map[string]string{"/config_dump": "{}", "/clusters": "text", "/origins": `{"a": "x.yaml:1:1"}`}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := answers[r.URL.Path]
		switch {
		case !ok:
			w.WriteHeader(http.StatusNotFound)
		case body == "":
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		w.Write([]byte(body)) //nolint:errcheck // the test sees it
	}))
	in := Instance{Port: srv.Listener.Addr().(*net.TCPAddr).Port}
	ctx := t.Context()
	if dump, err := in.ConfigDump(ctx); err != nil || string(dump) != "{}" {
		t.Errorf("%q, %v", dump, err)
	}
	if c, err := in.Clusters(ctx); c != nil || err != nil {
		t.Errorf("clusters that are not JSON: %q, %v", c, err)
	}
	if p, err := in.Positions(ctx); p["a"] != "x.yaml:1:1" || err != nil {
		t.Errorf("%v, %v", p, err)
	}
	delete(answers, "/origins")
	if p, err := in.Positions(ctx); p != nil || err != nil {
		t.Errorf("of a proxy that has no positions: %v, %v", p, err)
	}
	answers["/config_dump"] = ""
	if _, err := in.ConfigDump(ctx); err == nil || !strings.Contains(err.Error(), "503") {
		t.Error(err)
	}
	delete(answers, "/config_dump")
	if _, err := in.ConfigDump(ctx); err == nil || !strings.Contains(err.Error(), "no admin interface") {
		t.Error(err)
	}
	srv.Close()
	if _, err := in.ConfigDump(ctx); err == nil || !strings.Contains(err.Error(), "no instance answers") {
		t.Error(err)
	}
}
