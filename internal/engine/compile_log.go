package engine

import (
	"errors"
	"fmt"
	"os"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	filelogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/file/v3"
	streamlogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/stream/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	metadatav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/formatter/metadata/v3"
	reqwithoutqueryv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/formatter/req_without_query/v3"

	"github.com/crossgate/crossgate/internal/format"
	"github.com/crossgate/crossgate/internal/xds"
)

func (c *compiler) compileLogs(m *manager, h *hcmv3.HttpConnectionManager) error {
	if o := h.GetAccessLogOptions(); o.GetAccessLogFlushInterval() != nil || o.GetFlushAccessLogOnNewRequest() || o.GetFlushLogOnTunnelSuccessfullyEstablished() {
		return errors.New("access_log_options: only one line for a request, at its end, is supported")
	}
	for i, l := range h.GetAccessLog() {
		built, err := c.compileLog(l)
		if err != nil {
			return prefixed(fmt.Sprintf("access_log[%d]", i), err)
		}
		m.logs = append(m.logs, built)
	}
	if len(m.logs) == 0 && c.fallback != nil && c.logs != nil {
		out, err := c.logs.open("", c.fallback)
		if err != nil {
			return err
		}
		m.logs = append(m.logs, &accessLog{format: format.DefaultLog(), out: out})
	}
	return nil
}

func (c *compiler) compileLog(l *accesslogv3.AccessLog) (*accessLog, error) {
	filter, err := c.compileLogFilter(l.GetFilter(), 0)
	if err != nil {
		return nil, prefixed("filter", err)
	}
	msg, err := l.GetTypedConfig().UnmarshalNew()
	if err != nil {
		return nil, fmt.Errorf("%q: %w", l.GetName(), err)
	}
	if err := unsupported(msg); err != nil {
		return nil, err
	}
	var path string
	var f *format.Format
	switch cfg := msg.(type) {
	case *filelogv3.FileAccessLog:
		path = cfg.GetPath()
		f, err = fileFormat(cfg)
	case *streamlogv3.StdoutAccessLog:
		path = "/dev/stdout"
		f, err = logFormat(cfg.GetLogFormat())
	case *streamlogv3.StderrAccessLog:
		path = "/dev/stderr"
		f, err = logFormat(cfg.GetLogFormat())
	default:
		return nil, fmt.Errorf("%q (%s) is not supported", l.GetName(), l.GetTypedConfig().GetTypeUrl())
	}
	if err != nil {
		return nil, err
	}
	out := &accessLog{filter: filter, format: f}
	if c.logs != nil {
		out.out, err = c.logs.open(path, nil)
	}
	return out, err
}

// fileFormat is the format of a file, with the fields that log_format replaced.
//
//nolint:staticcheck // the deprecated fields are still used.
func fileFormat(cfg *filelogv3.FileAccessLog) (*format.Format, error) {
	var f *format.Format
	var err error
	switch {
	case cfg.GetFormat() != "":
		f, err = format.Parse(cfg.GetFormat())
	case cfg.GetJsonFormat() != nil:
		f, err = format.ParseJSON(cfg.GetJsonFormat())
	case cfg.GetTypedJsonFormat() != nil:
		f, err = format.ParseJSON(cfg.GetTypedJsonFormat())
	default:
		return logFormat(cfg.GetLogFormat())
	}
	if err != nil {
		return nil, prefixed("format", err)
	}
	return f, nil
}

func logFormat(f *corev3.SubstitutionFormatString) (*format.Format, error) {
	if f == nil {
		return format.DefaultLog(), nil
	}
	for i, x := range f.GetFormatters() {
		// Their operators are known to every log here.
		if c := x.GetTypedConfig(); !c.MessageIs(&reqwithoutqueryv3.ReqWithoutQuery{}) && !c.MessageIs(&metadatav3.Metadata{}) {
			return nil, fmt.Errorf("log_format.formatters[%d]: %s is not supported", i, x.GetTypedConfig().GetTypeUrl())
		}
	}
	out, err := formatText(f)
	if err != nil {
		return nil, prefixed("log_format", err)
	}
	if f.GetOmitEmptyValues() {
		out.OmitEmpty()
	}
	return out, nil
}

// maxFormat bounds a file with a format in bytes.
const maxFormat = 1 << 20

func formatText(f *corev3.SubstitutionFormatString) (*format.Format, error) {
	if f.GetJsonFormat() != nil {
		return format.ParseJSON(f.GetJsonFormat())
	}
	//nolint:staticcheck // deprecated and still used.
	if text := f.GetTextFormat(); text != "" {
		return format.Parse(text)
	}
	switch source := f.GetTextFormatSource().GetSpecifier().(type) {
	case *corev3.DataSource_InlineString:
		return format.Parse(source.InlineString)
	case *corev3.DataSource_InlineBytes:
		return format.Parse(string(source.InlineBytes))
	case *corev3.DataSource_Filename:
		text, err := xds.ReadFile(source.Filename, maxFormat)
		if err != nil {
			return nil, fmt.Errorf("text_format_source: %w", err)
		}
		return format.Parse(string(text))
	case *corev3.DataSource_EnvironmentVariable:
		text, ok := os.LookupEnv(source.EnvironmentVariable)
		if !ok {
			return nil, fmt.Errorf("text_format_source: no environment variable %q", source.EnvironmentVariable)
		}
		return format.Parse(text)
	}
	return nil, errors.New("no format")
}
