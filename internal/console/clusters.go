package console

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/proto"

	"github.com/crossgate/crossgate/internal/upstream"
	"github.com/crossgate/crossgate/internal/xds"
)

func (c *console) clusters(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	filter, err := regexp.Compile(q.Get("filter"))
	if err != nil {
		writeText(w, http.StatusBadRequest, badRegex(err))
		return
	}
	all := &adminv3.Clusters{}
	var text strings.Builder
	for _, s := range c.o.Clusters() {
		if filter.MatchString(s.GetName()) {
			all.ClusterStatuses = append(all.ClusterStatuses, s.ClusterStatus)
			writeCluster(&text, s)
		}
	}
	if q.Get("format") == "json" {
		writeProto(w, all, false)
		return
	}
	writeText(w, http.StatusOK, text.String())
}

// writeCluster writes a cluster in Envoy's text form: NAME::FIELD::VALUE and
// NAME::ADDRESS::FIELD::VALUE. What is -1 is not computed.
func writeCluster(b *strings.Builder, s upstream.Status) {
	line := func(key string, value any) { fmt.Fprintf(b, "%s::%s::%v\n", s.GetName(), key, value) }
	line("observability_name", s.GetObservabilityName())
	if s.Outliers {
		line("outlier::success_rate_average", -1)
		line("outlier::success_rate_ejection_threshold", -1)
		line("outlier::local_origin_success_rate_average", -1)
		line("outlier::local_origin_success_rate_ejection_threshold", -1)
	}
	for _, t := range s.GetCircuitBreakers().GetThresholds() {
		writeThresholds(line, t)
	}
	line("added_via_api", s.GetAddedViaApi())
	if s.GetEdsServiceName() != "" {
		line("eds_service_name", s.GetEdsServiceName())
	}
	for _, h := range s.GetHostStatuses() {
		writeHost(line, h)
	}
}

func writeThresholds(line func(string, any), t *clusterv3.CircuitBreakers_Thresholds) {
	name := strings.ToLower(t.GetPriority().String()) + "_priority::"
	line(name+"max_connections", t.GetMaxConnections().GetValue())
	line(name+"max_pending_requests", t.GetMaxPendingRequests().GetValue())
	line(name+"max_requests", t.GetMaxRequests().GetValue())
	line(name+"max_retries", t.GetMaxRetries().GetValue())
}

// hostStats are in the order of Envoy's text form.
var hostStats = []string{
	"cx_active", "cx_connect_fail", "cx_total", "rq_active", "rq_error", "rq_pending_active", "rq_success", "rq_timeout", "rq_total",
}

func writeHost(line func(string, any), h *adminv3.HostStatus) {
	address := xds.AddressText(h.GetAddress().GetSocketAddress()) + "::"
	values := map[string]uint64{}
	for _, m := range h.GetStats() {
		values[m.GetName()] = m.GetValue()
	}
	for _, name := range hostStats {
		line(address+name, values[name])
	}
	line(address+"hostname", h.GetHostname())
	line(address+"health_flags", healthFlags(h.GetHealthStatus()))
	line(address+"weight", h.GetWeight())
	line(address+"region", h.GetLocality().GetRegion())
	line(address+"zone", h.GetLocality().GetZone())
	line(address+"sub_zone", h.GetLocality().GetSubZone())
	line(address+"canary", false)
	line(address+"priority", h.GetPriority())
	line(address+"success_rate", -1)
	line(address+"local_origin_success_rate", -1)
}

func healthFlags(s *adminv3.HostHealthStatus) string {
	flags := ""
	if s.GetFailedOutlierCheck() {
		flags += "/failed_outlier_check"
	}
	switch s.GetEdsHealthStatus() {
	case corev3.HealthStatus_UNHEALTHY:
		flags += "/failed_eds_health"
	case corev3.HealthStatus_DEGRADED:
		flags += "/degraded_eds_health"
	case corev3.HealthStatus_DRAINING:
		flags += "/eds_status_draining"
	}
	if flags == "" {
		return "healthy"
	}
	return flags
}

func (c *console) listeners(w http.ResponseWriter, r *http.Request) {
	all := c.o.Listeners()
	if r.URL.Query().Get("format") == "json" {
		writeProto(w, all, false)
		return
	}
	var b strings.Builder
	for _, l := range all.GetListenerStatuses() {
		fmt.Fprintf(&b, "%s::%s\n", l.GetName(), xds.AddressText(l.GetLocalAddress().GetSocketAddress()))
	}
	writeText(w, http.StatusOK, b.String())
}

func (c *console) certs(w http.ResponseWriter, _ *http.Request) {
	writeProto(w, c.o.Certificates(), true)
}

func (c *console) serverInfo(w http.ResponseWriter, _ *http.Request) {
	writeProto(w, c.o.ServerInfo(), true)
}

// writeProto writes a message as JSON.
func writeProto(w http.ResponseWriter, m proto.Message, zeros bool) {
	out, err := xds.MarshalJSON(m, zeros)
	writeJSON(w, out, err)
}
