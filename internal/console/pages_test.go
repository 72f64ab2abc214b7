package console

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/crossgate/crossgate/internal/stats"
	"github.com/crossgate/crossgate/internal/upstream"
)

type testStats struct {
	Active stats.Gauge     `stat:"downstream_cx_active"`
	Time   stats.Histogram `stat:"downstream_rq_time"`
	CORS   struct {
		Valid stats.Counter `stat:"origin_valid"`
	} `stat:"cors"`
}

func counted() *stats.Store {
	s := stats.New()
	m := stats.Of[testStats](s, stats.Scope{}.In("http").Tagged("envoy_http_conn_manager_prefix", "in"))
	m.CORS.Valid.Add(2)
	m.Time.Observe(0)
	return s
}

// upCluster and upText are what a real Envoy 1.40 tells of one cluster, the
// numbers changed.
func upCluster() upstream.Status {
	limits := func(p corev3.RoutingPriority) *clusterv3.CircuitBreakers_Thresholds {
		return &clusterv3.CircuitBreakers_Thresholds{
			Priority: p, MaxConnections: wrapperspb.UInt32(1024), MaxPendingRequests: wrapperspb.UInt32(1024),
			MaxRequests: wrapperspb.UInt32(1024), MaxRetries: wrapperspb.UInt32(3),
		}
	}
	return upstream.Status{Outliers: true, ClusterStatus: &adminv3.ClusterStatus{
		Name: "up", ObservabilityName: "up",
		CircuitBreakers: &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{limits(0), limits(1)}},
		HostStatuses: []*adminv3.HostStatus{{
			Address: upstream.SocketAddress("127.0.0.1:23903"), Hostname: "h", Weight: 3,
			Locality:     &corev3.Locality{Region: "r", Zone: "z"},
			HealthStatus: &adminv3.HostHealthStatus{EdsHealthStatus: corev3.HealthStatus_HEALTHY, FailedOutlierCheck: true},
			Stats:        []*adminv3.SimpleMetric{{Name: "rq_total", Value: 11}},
		}},
	}}
}

const upText = `up::observability_name::up
up::outlier::success_rate_average::-1
up::outlier::success_rate_ejection_threshold::-1
up::outlier::local_origin_success_rate_average::-1
up::outlier::local_origin_success_rate_ejection_threshold::-1
up::default_priority::max_connections::1024
up::default_priority::max_pending_requests::1024
up::default_priority::max_requests::1024
up::default_priority::max_retries::3
up::high_priority::max_connections::1024
up::high_priority::max_pending_requests::1024
up::high_priority::max_requests::1024
up::high_priority::max_retries::3
up::added_via_api::false
up::127.0.0.1:23903::cx_active::0
up::127.0.0.1:23903::cx_connect_fail::0
up::127.0.0.1:23903::cx_total::0
up::127.0.0.1:23903::rq_active::0
up::127.0.0.1:23903::rq_error::0
up::127.0.0.1:23903::rq_pending_active::0
up::127.0.0.1:23903::rq_success::0
up::127.0.0.1:23903::rq_timeout::0
up::127.0.0.1:23903::rq_total::11
up::127.0.0.1:23903::hostname::h
up::127.0.0.1:23903::health_flags::/failed_outlier_check
up::127.0.0.1:23903::weight::3
up::127.0.0.1:23903::region::r
up::127.0.0.1:23903::zone::z
up::127.0.0.1:23903::sub_zone::
up::127.0.0.1:23903::canary::false
up::127.0.0.1:23903::priority::0
up::127.0.0.1:23903::success_rate::-1
up::127.0.0.1:23903::local_origin_success_rate::-1
`

// levels are loggers for tests.
type levels map[string]string

func (l levels) List() (out []LoggerLevel) {
	for name, level := range l {
		out = append(out, LoggerLevel{name, level})
	}
	slices.SortFunc(out, func(a, b LoggerLevel) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (l levels) Set(name, level string) error {
	if level == "bogus" {
		return ErrLoggerLevel
	}
	if name != "" && l[name] == "" {
		return ErrLoggerName
	}
	for n := range l {
		if name == "" || n == name {
			l[n] = level
		}
	}
	return nil
}

// TestLogging: errors are those of a real Envoy 1.40.
func TestLogging(t *testing.T) {
	list := func(admin, engine string) string {
		return "active loggers:\n  admin: " + admin + "\n  engine: " + engine + "\n"
	}
	for _, tt := range []struct {
		target string
		status int
		body   string
	}{
		{"/logging", 200, list("info", "info")},
		{"/logging?level=debug", 200, list("debug", "debug")},
		{"/logging?engine=warning", 200, list("info", "warning")},
		{"/logging?paths=admin:error,engine:trace", 200, list("error", "trace")},
		{"/logging?level=bogus", 400, "error: unknown logger level\n\nusage: /logging?<name>=<level> (change single level)\n"},
		{"/logging?engine=bogus", 400, "error: unknown logger level\n"},
		{"/logging?nobody=info", 400, "error: unknown logger name\n"},
		{"/logging?admin=info&engine=info", 400, "error: invalid number of parameters\n"},
		{"/logging?paths=admin", 400, "error: unknown logger name\n"},
	} {
		w := get(Admin(testOptions(Live)), "POST", tt.target)
		if w.Code != tt.status || !strings.HasPrefix(w.Body.String(), tt.body) {
			t.Errorf("%s: %d %q, want %d %q", tt.target, w.Code, w.Body, tt.status, tt.body)
		}
	}
}

// TestPagesOfOthersChangeNothing: a form on any page can send a POST.
func TestPagesOfOthersChangeNothing(t *testing.T) {
	for _, tt := range []struct {
		header, value string
		status        int
	}{
		{"Origin", "https://evil.example", 403},
		{"Origin", "null", 403},
		{"Origin", "http://localhost:15000", 200},
		{"Sec-Fetch-Site", "cross-site", 403},
		{"Sec-Fetch-Site", "same-site", 403},
		{"Sec-Fetch-Site", "same-origin", 200},
		{"Sec-Fetch-Site", "none", 200},
	} {
		o := testOptions(Live)
		r := httptest.NewRequest("POST", "/logging?level=off", nil)
		r.Host = "localhost:15000"
		r.Header.Set(tt.header, tt.value)
		w := httptest.NewRecorder()
		Guard(Admin(o)).ServeHTTP(w, r)
		level := o.Levels.List()[0].Level
		if w.Code != tt.status || (level == "off") != (tt.status == 200) {
			t.Errorf("%s: %s: status %d, level %s", tt.header, tt.value, w.Code, level)
		}
	}
}
