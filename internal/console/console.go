package console

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/crossgate/crossgate/internal/diag"
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
	// Version of the program.
	Version string
	Started time.Time
	State   func() State
	// ConfigDump renders the running configuration, without private keys.
	ConfigDump func(xds.DumpOptions) ([]byte, error)
	// Clusters renders the clusters and their endpoints in Envoy's JSON.
	Clusters func() ([]byte, error)
	// Origins tells where each resource of the running configuration was written,
	// by the keys of xds.Snapshot.Origins.
	Origins func() map[string]diag.Pos
	// Diagnostics are the findings about the configuration that is there now.
	Diagnostics func() diag.List
	// Stats writes the metrics in the Prometheus text format.
	Stats func(io.Writer) error
}

// page is one address of the admin interface.
type page struct {
	path, help string
	serve      http.HandlerFunc
}

// Admin returns the admin interface: Envoy's paths, and what Envoy answers on
// them as far as crossgate has it.
func Admin(o Options) http.Handler {
	c := &console{o}
	return site([]page{
		{"/config_dump", "the configuration that is running (?resource=, ?mask=, ?include_eds)", c.configDump},
		{"/crossgate/diagnostics", "the findings about the configuration, as analyze -o json has them (not in Envoy)", c.diagnostics},
		{"/clusters", "clusters and their endpoints (?format=json)", c.clusters},
		{"/memory", "what the program has of memory, in bytes", c.memory},
		{"/origins", "where each resource was written, as FILE:LINE:COLUMN (not in Envoy)", c.origins},
		{"/ready", "200 LIVE when the gateway takes requests", c.ready},
		{"/server_info", "version, state and uptime", c.serverInfo},
		{"/stats/prometheus", "metrics in the Prometheus text format", c.prometheus},
	})
}

// Readiness returns the handler of Istio's readiness port, 15021.
func Readiness(o Options) http.Handler {
	c := &console{o}
	return site([]page{{"/healthz/ready", "200 when the gateway takes requests", c.ready}})
}

// Metrics returns the handler of Istio's metrics port, 15090.
func Metrics(o Options) http.Handler {
	c := &console{o}
	return site([]page{{"/stats/prometheus", "metrics in the Prometheus text format", c.prometheus}})
}

// site serves pages, an index of them on /, and helpful errors elsewhere.
func site(pages []page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-cache, max-age=0")
		h.Set("X-Content-Type-Options", "nosniff")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			writeText(w, http.StatusMethodNotAllowed, fmt.Sprintf("Method %s not allowed, GET required.\n", r.Method))
			return
		}
		if r.URL.Path == "/" || r.URL.Path == "/help" {
			writeText(w, http.StatusOK, index(pages))
			return
		}
		i := slices.IndexFunc(pages, func(p page) bool { return p.path == r.URL.Path })
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
	w.Header().Set("Content-Type", "application/json")
	w.Write(dump) //nolint:errcheck // the client went away
}

// clusters serves the JSON form, which programs read; Envoy also has one of text.
func (c *console) clusters(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("format") != "json" {
		writeText(w, http.StatusBadRequest, "only /clusters?format=json is answered\n")
		return
	}
	out, err := c.o.Clusters()
	if err != nil {
		writeText(w, http.StatusInternalServerError, err.Error()+"\n")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(out) //nolint:errcheck // the client went away
}

// origins serves what is not in the dump because it is not in Envoy's.
func (c *console) origins(w http.ResponseWriter, _ *http.Request) {
	all := c.o.Origins()
	places := make(map[string]string, len(all))
	for key, pos := range all {
		places[key] = pos.String()
	}
	out, err := json.MarshalIndent(places, "", " ")
	if err != nil {
		writeText(w, http.StatusInternalServerError, err.Error()+"\n")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(out, '\n')) //nolint:errcheck // the client went away
}

func (c *console) diagnostics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	diag.WriteJSON(w, c.o.Diagnostics()) //nolint:errcheck // the client went away
}

func (c *console) serverInfo(w http.ResponseWriter, _ *http.Request) {
	uptime := time.Since(c.o.Started).Truncate(time.Second)
	out, err := json.MarshalIndent(struct {
		Version     string `json:"version"`
		State       State  `json:"state"`
		UptimeEpoch string `json:"uptime_current_epoch"`
		UptimeAll   string `json:"uptime_all_epochs"`
	}{c.o.Version, c.o.State(), seconds(uptime), seconds(uptime)}, "", " ")
	if err != nil {
		writeText(w, http.StatusInternalServerError, err.Error()+"\n")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(out, '\n')) //nolint:errcheck // the client went away
}

// seconds renders a duration as the JSON form of google.protobuf.Duration.
func seconds(d time.Duration) string { return fmt.Sprintf("%ds", int64(d.Seconds())) }

func writeText(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	w.WriteHeader(status)
	io.WriteString(w, body) //nolint:errcheck // the client went away
}
