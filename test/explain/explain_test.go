package explain

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/crossgate/crossgate/internal/advise"
	"github.com/crossgate/crossgate/internal/pipeline"
	"github.com/crossgate/crossgate/internal/resource"
	"github.com/crossgate/crossgate/internal/source"
	"github.com/crossgate/crossgate/internal/translate"
	"github.com/crossgate/crossgate/test/gate"
	"github.com/crossgate/crossgate/test/tool"
)

func TestMain(m *testing.M) {
	code := m.Run()
	gate.Cleanup()
	os.Exit(code)
}

// perGateway is how many configurations one gateway serves, each on a host of its own.
const perGateway = 50

// TestAnswers compares explanations with a gateway: EXPLAIN_N configurations and calls, from EXPLAIN_SEED.
func TestAnswers(t *testing.T) {
	n, seed := tool.Number(t, "EXPLAIN_N", 1000), tool.Seed(t, "EXPLAIN_SEED", 20261125)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	t.Cleanup(service.Close)
	for round := range (n + perGateway - 1) / perGateway {
		g := generator{rand.New(rand.NewPCG(seed, uint64(round)))}
		compare(t, g, round%2 == 0, service.Listener.Addr().String(), fmt.Sprintf("EXPLAIN_SEED=%d, round %d", seed, round))
	}
}

// compare explains a call to each of the configurations, in one of the profiles.
func compare(t *testing.T, g generator, hardened bool, service, from string) {
	var documents []string
	for i := range perGateway {
		documents = append(documents, g.virtualService(i))
	}
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(strings.Join(documents, "---\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	upstream, err := translate.ParseUpstream("service.default:80=" + service)
	if err != nil {
		t.Fatal(err)
	}
	o := pipeline.Options{Profile: pipeline.Profile{Hardened: hardened}, Translate: translate.Options{Node: translate.DefaultNode(), SynthesizeGateways: true, Upstreams: []translate.Upstream{upstream}}}
	res := pipeline.NewBuilder(o).Build(source.Load([]string{file}, strings.NewReader(""), resource.ParseOptions{DefaultNamespace: "default"}))
	in := advise.Input{Snapshot: res.Snapshot, Set: res.Set}
	profile := map[bool]string{true: "hardened", false: "istio"}[hardened]
	running := gate.Serve(t, file, "--profile", profile, "--upstream", "service.default:80="+service)
	for i := range perGateway {
		call := g.call(i)
		e, err := advise.Explain(in, &advise.Ask{Call: call})
		if err != nil {
			t.Fatal(err)
		}
		for _, hop := range e.Hops {
			if got, want := answer(t, running.Addr(80), &hop), said(&hop); got != want {
				t.Errorf("%s, %s: %+v\n%s\n%s\nthe gateway answers %s\nexplained was     %s", from, profile, call, documents[i], hop.Request, got, want)
			}
		}
	}
}

func said(h *advise.Hop) string { return fmt.Sprint(h.Status, h.Answer) }

// answer sends the request of a hop to the gateway.
func answer(t *testing.T, address string, h *advise.Hop) string {
	method, target, _ := strings.Cut(h.Request, " ")
	r, err := http.NewRequest(method, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range h.Sent {
		r.Header.Add(line.Name, line.Value)
	}
	transport := &http.Transport{DisableKeepAlives: true, Dial: func(string, string) (net.Conn, error) { return net.Dial("tcp", address) }}
	response, err := transport.RoundTrip(r)
	if err != nil {
		return err.Error()
	}
	response.Body.Close()
	got := advise.Hop{Status: response.StatusCode}
	for name, values := range response.Header {
		for _, v := range values {
			if name = strings.ToLower(name); strings.HasPrefix(name, "access-control-") || name == "vary" || name == "location" || name == "content-type" {
				got.Answer = append(got.Answer, name+": "+v)
			}
		}
	}
	slices.Sort(got.Answer)
	return said(&got)
}
