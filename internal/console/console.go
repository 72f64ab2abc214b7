package console

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/stats"
	"github.com/crossgate/crossgate/internal/upstream"
	"github.com/crossgate/crossgate/internal/xds"
)

// State is what a gateway says about itself, in Envoy's words.
type State string

// The states of a gateway.
const (
	PreInitializing State = "PRE_INITIALIZING" // no configuration yet
	Live            State = "LIVE"
	Draining        State = "DRAINING" // told to stop, finishing requests
)

// Options are the parts of a gateway that the console shows. All functions are
// called concurrently.
type Options struct {
	State func() State
	// ServerInfo is what the program tells of itself.
	ServerInfo func() *adminv3.ServerInfo
	// ConfigDump renders the running configuration, without private keys.
	ConfigDump func(xds.DumpOptions) ([]byte, error)
	// Clusters are those that run, by name, with their hosts.
	Clusters func() []upstream.Status
	// Listeners are those that accept connections, by name.
	Listeners func() *adminv3.Listeners
	// Certificates are those of the running configuration.
	Certificates func() *adminv3.Certificates
	// Origins tells where each resource of the running configuration was written,
	// by the keys of xds.Snapshot.Origins.
	Origins func() map[string]diag.Pos
	// Diagnostics are the findings about the configuration that is there now.
	Diagnostics func() diag.List
	Stats       Statistics
	Levels      Levels
}

// Statistics are what a gateway has counted.
type Statistics interface {
	// Samples returns Envoy's statistics, sorted by name.
	Samples() []stats.Sample
	// WritePrometheus writes all metrics in Prometheus' text format.
	WritePrometheus(w io.Writer, f stats.Filter) error
}

// page is one address of the admin interface.
type page struct {
	path, help string
	serve      http.HandlerFunc
	// changes says that a POST does more than a GET.
	changes bool
}

// Admin returns the admin interface: Envoy's paths, and what Envoy answers on
// them as far as crossgate has it.
func Admin(o Options) http.Handler {
	c := &console{o}
	return site([]page{
		{path: "/certs", help: "the certificates of listeners and clusters", serve: c.certs},
		{path: "/clusters", help: "clusters, their limits and their endpoints (?format=json, ?filter=REGEX)", serve: c.clusters},
		{path: "/config_dump", help: "the configuration that is running (?resource=, ?mask=, ?include_eds)", serve: c.configDump},
		{path: "/crossgate/diagnostics", help: "the findings about the configuration, as analyze -o json has them (not in Envoy)", serve: c.diagnostics},
		{path: "/listeners", help: "the addresses that take connections (?format=json)", serve: c.listeners},
		{path: "/logging", help: "the loggers; POST ?level=LEVEL or ?NAME=LEVEL changes them", serve: c.logging, changes: true},
		{path: "/memory", help: "what the program has of memory, in bytes", serve: c.memory},
		{path: "/origins", help: "where each resource was written, as FILE:LINE:COLUMN (not in Envoy)", serve: c.origins},
		{path: "/ready", help: "200 LIVE when the gateway takes requests", serve: c.ready},
		{path: "/server_info", help: "version, state, uptime and options", serve: c.serverInfo},
		{path: "/stats", help: "counters, gauges and histograms (?filter=REGEX, ?usedonly, ?type=, ?format=json|prometheus)", serve: c.stats},
		{path: "/stats/prometheus", help: "metrics in the Prometheus text format (?filter=REGEX, ?usedonly)", serve: c.prometheus},
	})
}

// Readiness returns the handler of Istio's readiness port, 15021.
func Readiness(o Options) http.Handler {
	c := &console{o}
	return site([]page{{path: "/healthz/ready", help: "200 when the gateway takes requests", serve: c.ready}})
}

// Metrics returns the handler of Istio's metrics port, 15090.
func Metrics(o Options) http.Handler {
	c := &console{o}
	return site([]page{{path: "/stats/prometheus", help: "metrics in the Prometheus text format (?filter=REGEX, ?usedonly)", serve: c.prometheus}})
}

// site serves pages, an index of them on /, and helpful errors elsewhere.
func site(pages []page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-cache, max-age=0")
		h.Set("X-Content-Type-Options", "nosniff")
		i := slices.IndexFunc(pages, func(p page) bool { return p.path == r.URL.Path })
		changes := i >= 0 && pages[i].changes && r.Method == http.MethodPost
		switch {
		case changes && fromPage(r):
			writeText(w, http.StatusForbidden, "a page of another site may not change anything here\n")
			return
		case !changes && r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			writeText(w, http.StatusMethodNotAllowed, fmt.Sprintf("Method %s not allowed, GET required.\n", r.Method))
			return
		}
		if r.URL.Path == "/" || r.URL.Path == "/help" {
			writeText(w, http.StatusOK, index(pages))
			return
		}
		if i < 0 {
			writeText(w, http.StatusNotFound, "invalid path. "+index(pages))
			return
		}
		pages[i].serve(w, r)
	})
}

func index(pages []page) string {
	s := "the paths are:\n"
	for _, p := range pages {
		s += fmt.Sprintf("  %-18s %s\n", p.path, p.help)
	}
	return s
}

type console struct{ o Options }

func (c *console) ready(w http.ResponseWriter, _ *http.Request) {
	state := c.o.State()
	code := http.StatusServiceUnavailable
	if state == Live {
		code = http.StatusOK
	}
	writeText(w, code, string(state)+"\n")
}

func (c *console) configDump(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	dump, err := c.o.ConfigDump(xds.DumpOptions{
		Resource: q.Get("resource"),
		Mask:     q.Get("mask"),
		// Envoy looks at the presence of the parameter, not at its value.
		Endpoints: q.Has("include_eds"),
	})
	if err != nil {
		// As Envoy: what is asked for is not there, or the mask is no mask.
		code := http.StatusBadRequest
		if q.Has("resource") {
			code = http.StatusNotFound
		}
		writeText(w, code, err.Error()+"\n")
		return
	}
	writeJSON(w, dump, nil)
}

// origins serves what is not in the dump because it is not in Envoy's.
func (c *console) origins(w http.ResponseWriter, _ *http.Request) {
	all := c.o.Origins()
	places := make(map[string]string, len(all))
	for key, pos := range all {
		places[key] = pos.String()
	}
	writeIndented(w, places)
}

func (c *console) diagnostics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	diag.WriteJSON(w, c.o.Diagnostics()) //nolint:errcheck // the client went away
}

func writeText(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.WriteHeader(status)
	io.WriteString(w, body) //nolint:errcheck // the client went away
}

// writeIndented writes a value of ours with one space of indent, as Envoy writes its
// messages.
func writeIndented(w http.ResponseWriter, v any) {
	out, err := json.MarshalIndent(v, "", " ")
	writeJSON(w, append(out, '\n'), err)
}

// writeJSON writes what has been rendered, or why it could not be.
func writeJSON(w http.ResponseWriter, body []byte, err error) {
	if err != nil {
		writeText(w, http.StatusInternalServerError, err.Error()+"\n")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body) //nolint:errcheck // the client went away
}
