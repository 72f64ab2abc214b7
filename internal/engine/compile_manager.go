package engine

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	matchingv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/matching/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	faultv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/fault/v3"
	grpcstatsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/grpc_stats/v3"
	headermutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	uuidv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/request_id/uuid/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/crossgate/crossgate/internal/http1"
	"github.com/crossgate/crossgate/internal/http2"
	"github.com/crossgate/crossgate/internal/stats"
)

// Envoy's defaults (http_connection_manager.proto).
const (
	defaultIdleTimeout       = time.Hour
	defaultStreamIdleTimeout = 5 * time.Minute
	defaultServerName        = "envoy"
)

// managerOf returns the one network filter that a chain may have.
func managerOf(chain *listenerv3.FilterChain) (*hcmv3.HttpConnectionManager, error) {
	if len(chain.GetFilters()) != 1 {
		return nil, fmt.Errorf("filters: exactly one network filter is supported, not %d", len(chain.GetFilters()))
	}
	f := chain.GetFilters()[0]
	m := &hcmv3.HttpConnectionManager{}
	if any := f.GetTypedConfig(); any == nil || !any.MessageIs(m) {
		return nil, fmt.Errorf("filters[0]: network filter %q (%s) is not supported", f.GetName(), f.GetTypedConfig().GetTypeUrl())
	}
	if err := f.GetTypedConfig().UnmarshalTo(m); err != nil {
		return nil, fmt.Errorf("filters[0]: %w", err)
	}
	return m, nil
}

func (c *compiler) compileManager(h *hcmv3.HttpConnectionManager) (*manager, error) {
	if err := unsupported(h); err != nil {
		return nil, err
	}
	m := &manager{
		statPrefix: h.GetStatPrefix(),
		codec:      codecOptions(h),
		http2:      http2Options(h),
		metrics:    &managerMetrics{store: c.stats, workload: c.workload},
		stats:      stats.Use[managerStats](c.prog.counted, managerScope(h.GetStatPrefix())),

		serverName:        []byte(defaultServerName),
		useRemoteAddress:  h.GetUseRemoteAddress().GetValue(),
		trustedHops:       h.GetXffNumTrustedHops(),
		skipXFFAppend:     h.GetSkipXffAppend(),
		generateRequestID: boolOr(h.GetGenerateRequestId(), true),
		preserveRequestID: h.GetPreserveExternalRequestId(),
		alwaysRequestID:   h.GetAlwaysSetRequestIdInResponse(),
		proxy100:          h.GetProxy_100Continue(),
		normalizePath:     h.GetNormalizePath().GetValue(),
		mergeSlashes:      h.GetMergeSlashes(),
		stripTrailingDot:  h.GetStripTrailingHostDot(),
		stripAnyPort:      h.GetStripAnyHostPort(),
		defaultHost10:     []byte(h.GetHttpProtocolOptions().GetDefaultHostForHttp_10()),
		trailers:          h.GetHttpProtocolOptions().GetEnableTrailers(),
		properCase:        h.GetHttpProtocolOptions().GetHeaderKeyFormat().GetProperCaseWords() != nil,

		idleTimeout:       defaultIdleTimeout,
		streamIdleTimeout: defaultStreamIdleTimeout,
		headersTimeout:    h.GetRequestHeadersTimeout().AsDuration(),
		requestTimeout:    h.GetRequestTimeout().AsDuration(),
	}
	if name := h.GetServerName(); name != "" {
		m.serverName = []byte(name)
	}
	if via := h.GetVia(); via != "" {
		m.via = []byte(via)
	}
	if hasControl(h.GetServerName()) || hasControl(h.GetVia()) {
		return nil, errors.New("control characters in server_name or via")
	}
	if d := h.GetCommonHttpProtocolOptions().GetIdleTimeout(); d != nil {
		m.idleTimeout = d.AsDuration()
	}
	if d := h.GetStreamIdleTimeout(); d != nil {
		m.streamIdleTimeout = d.AsDuration()
	}
	if err := m.setModes(h); err != nil {
		return nil, err
	}
	if err := c.compileFilters(m, h); err != nil {
		return nil, err
	}
	m.shadow = shadowOf(m)
	if err := c.compileLogs(m, h); err != nil {
		return nil, err
	}
	var err error
	if m.localReplies, err = c.compileLocalReplies(h.GetLocalReplyConfig()); err != nil {
		return nil, prefixed("local_reply_config", err)
	}
	return m, c.attachRoutes(m, h)
}

func boolOr(b *wrapperspb.BoolValue, unset bool) bool {
	if b == nil {
		return unset
	}
	return b.GetValue()
}

func codecOptions(h *hcmv3.HttpConnectionManager) http1.Options {
	o := http1.Options{
		MaxHeadBytes:       int(h.GetMaxRequestHeadersKb().GetValue()) << 10,
		MaxHeaders:         int(h.GetCommonHttpProtocolOptions().GetMaxHeadersCount().GetValue()),
		AllowCustomMethods: h.GetHttpProtocolOptions().GetAllowCustomMethods(),
		RefuseAbsoluteURL:  !boolOr(h.GetHttpProtocolOptions().GetAllowAbsoluteUrl(), true),
		AcceptHTTP10:       h.GetHttpProtocolOptions().GetAcceptHttp_10(),
		AllowChunkedLength: h.GetHttpProtocolOptions().GetAllowChunkedLength(),
	}
	switch h.GetCommonHttpProtocolOptions().GetHeadersWithUnderscoresAction() {
	case corev3.HttpProtocolOptions_REJECT_REQUEST:
		o.Underscore = http1.RejectUnderscore
	case corev3.HttpProtocolOptions_DROP_HEADER:
		o.Underscore = http1.DropUnderscore
	}
	return o
}

func http2Options(h *hcmv3.HttpConnectionManager) http2.Options {
	ping := h.GetHttp2ProtocolOptions().GetConnectionKeepalive()
	return http2.Options{
		MaxConcurrentStreams: h.GetHttp2ProtocolOptions().GetMaxConcurrentStreams().GetValue(),
		MaxHeaderBytes:       int(h.GetMaxRequestHeadersKb().GetValue()) << 10,
		MaxHeaders:           int(h.GetCommonHttpProtocolOptions().GetMaxHeadersCount().GetValue()),
		KeepaliveInterval:    ping.GetInterval().AsDuration(),
		KeepaliveTimeout:     ping.GetTimeout().AsDuration(),
	}
}

// setModes takes over the fields that choose between behaviours, and refuses the
// choices that are not built.
func (m *manager) setModes(h *hcmv3.HttpConnectionManager) error {
	switch h.GetCodecType() {
	case hcmv3.HttpConnectionManager_AUTO:
	case hcmv3.HttpConnectionManager_HTTP1:
		m.protocol = onlyHTTP1
	case hcmv3.HttpConnectionManager_HTTP2:
		m.protocol = onlyHTTP2
	default:
		return fmt.Errorf("codec_type %s is not supported", h.GetCodecType())
	}
	switch h.GetServerHeaderTransformation() {
	case hcmv3.HttpConnectionManager_APPEND_IF_ABSENT:
		m.serverHeader = serverAppendIfAbsent
	case hcmv3.HttpConnectionManager_PASS_THROUGH:
		m.serverHeader = serverPassThrough
	}
	switch h.GetPathWithEscapedSlashesAction() {
	case hcmv3.HttpConnectionManager_REJECT_REQUEST:
		m.escapedSlashes = escapedReject
	case hcmv3.HttpConnectionManager_UNESCAPE_AND_REDIRECT:
		m.escapedSlashes = escapedRedirect
	case hcmv3.HttpConnectionManager_UNESCAPE_AND_FORWARD:
		m.escapedSlashes = escapedForward
	}
	switch h.GetForwardClientCertDetails() {
	case hcmv3.HttpConnectionManager_SANITIZE, hcmv3.HttpConnectionManager_SANITIZE_SET:
		m.certDetails = compileCertDetails(h)
	default:
		return fmt.Errorf("forward_client_cert_details %s is not supported", h.GetForwardClientCertDetails())
	}
	for i, u := range h.GetUpgradeConfigs() {
		if !strings.EqualFold(u.GetUpgradeType(), "websocket") || len(u.GetFilters()) > 0 {
			return fmt.Errorf("upgrade_configs[%d]: only plain websocket upgrades are supported", i)
		}
		m.websocket = boolOr(u.GetEnabled(), true)
	}
	if x := h.GetRequestIdExtension(); x != nil && !x.GetTypedConfig().MessageIs(&uuidv3.UuidRequestIdConfig{}) {
		return fmt.Errorf("request_id_extension %s is not supported", x.GetTypedConfig().GetTypeUrl())
	}
	if h.GetTracing().GetProvider() != nil {
		return errors.New("tracing.provider is not supported")
	}
	return nil
}

// compileFilters builds the chain; the router has to be its end.
func (c *compiler) compileFilters(m *manager, h *hcmv3.HttpConnectionManager) error {
	list := h.GetHttpFilters()
	for i, f := range list {
		path := fmt.Sprintf("http_filters[%d]", i)
		if f.GetIsOptional() || f.GetDisabled() {
			return fmt.Errorf("%s: is_optional and disabled are not supported", path)
		}
		built, err := c.compileFilter(m, f)
		if err != nil {
			return prefixed(path, err)
		}
		_, isRouter := built.(routerFilter)
		if isRouter != (i == len(list)-1) {
			return errors.New("http_filters: the router has to be the last filter, and only that")
		}
		if built != nil && !isRouter {
			m.filters = append(m.filters, built)
		}
	}
	if len(list) == 0 {
		return errors.New("http_filters: no router")
	}
	return nil
}

// routerFilter stands for the router, which is the stream's own last step.
type routerFilter struct{ filter }

func (c *compiler) compileFilter(m *manager, f *hcmv3.HttpFilter) (filter, error) {
	msg, err := f.GetTypedConfig().UnmarshalNew()
	if err != nil {
		return nil, fmt.Errorf("filter %q: %w", f.GetName(), err)
	}
	if err := unsupported(msg); err != nil {
		return nil, prefixed(f.GetName(), err)
	}
	switch cfg := msg.(type) {
	case *routerv3.Router:
		m.suppressEnvoy = cfg.GetSuppressEnvoyHeaders()
		return routerFilter{}, nil
	case *corsv3.Cors:
		return &corsFilter{
			slot:  c.slots[f.GetName()],
			stats: stats.Use[corsStats](c.prog.counted, managerScope(m.statPrefix).In("cors")),
		}, nil
	case *faultv3.HTTPFault:
		return c.compileFaultFilter(m, f.GetName(), cfg)
	case *headermutationv3.HeaderMutation:
		steps, err := compileHeaderSteps(cfg.GetMutations())
		return &mutationFilter{slot: c.slots[f.GetName()], base: steps}, err
	case *matchingv3.ExtensionWithMatcher:
		return c.compileDelegate(f, cfg)
	case *grpcstatsv3.FilterConfig:
		// It only counts: requests do not notice that it is not there.
		return nil, nil
	}
	return nil, fmt.Errorf("filter %q (%s) is not supported", f.GetName(), f.GetTypedConfig().GetTypeUrl())
}

// shadowOf is the manager of copies for mirrors: they have no filters, and one that
// nobody answers has an end also where requests have none. For the counters of
// managers they are nobody's.
func shadowOf(m *manager) *manager {
	return &manager{suppressEnvoy: m.suppressEnvoy, streamIdleTimeout: cmp.Or(m.streamIdleTimeout, defaultStreamIdleTimeout), stats: &managerStats{}}
}

func lowerAll(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strings.ToLower(s)
	}
	return out
}
