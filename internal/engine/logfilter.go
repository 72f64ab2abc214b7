package engine

import (
	"errors"
	"fmt"
	"slices"
	"time"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	datav3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
)

// logFilter decides whether a request has a line in an access log.
type logFilter func(s *stream) bool

// maxFilterDepth bounds the nesting of and_filter and or_filter.
const maxFilterDepth = 32

// compileLogFilter returns nil where there is no filter.
func (c *compiler) compileLogFilter(f *accesslogv3.AccessLogFilter, depth int) (logFilter, error) {
	if f == nil {
		return nil, nil
	}
	if depth > maxFilterDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxFilterDepth)
	}
	switch f := f.GetFilterSpecifier().(type) {
	case *accesslogv3.AccessLogFilter_StatusCodeFilter:
		compare, err := c.comparison(f.StatusCodeFilter.GetComparison())
		return func(s *stream) bool { return compare(int64(s.status)) }, err
	case *accesslogv3.AccessLogFilter_DurationFilter:
		compare, err := c.comparison(f.DurationFilter.GetComparison())
		return func(s *stream) bool { return compare(s.lasted().Milliseconds()) }, err
	case *accesslogv3.AccessLogFilter_NotHealthCheckFilter:
		// No request is one of a health check without the filter that says so.
		return func(*stream) bool { return true }, nil
	case *accesslogv3.AccessLogFilter_HeaderFilter:
		m, err := compileHeaderMatch(f.HeaderFilter.GetHeader())
		return func(s *stream) bool { return m.matches(s) }, err
	case *accesslogv3.AccessLogFilter_ResponseFlagFilter:
		return flagFilter(f.ResponseFlagFilter.GetFlags()), nil
	case *accesslogv3.AccessLogFilter_GrpcStatusFilter:
		return grpcFilter(f.GrpcStatusFilter), nil
	case *accesslogv3.AccessLogFilter_LogTypeFilter:
		logged := slices.Contains(f.LogTypeFilter.GetTypes(), datav3.AccessLogType_DownstreamEnd) != f.LogTypeFilter.GetExclude()
		return func(*stream) bool { return logged }, nil
	case *accesslogv3.AccessLogFilter_RuntimeFilter:
		share := percent(f.RuntimeFilter.GetPercentSampled())
		if v, ok := c.runtime[f.RuntimeFilter.GetRuntimeKey()]; ok {
			share = scale(v.GetNumberValue(), f.RuntimeFilter.GetPercentSampled().GetDenominator())
		}
		return func(*stream) bool { return share.draw() }, nil
	case *accesslogv3.AccessLogFilter_AndFilter:
		all, err := c.compileLogFilters(f.AndFilter.GetFilters(), depth)
		return func(s *stream) bool {
			return !slices.ContainsFunc(all, func(f logFilter) bool { return !f(s) })
		}, err
	case *accesslogv3.AccessLogFilter_OrFilter:
		some, err := c.compileLogFilters(f.OrFilter.GetFilters(), depth)
		return func(s *stream) bool {
			return slices.ContainsFunc(some, func(f logFilter) bool { return f(s) })
		}, err
	}
	return nil, fmt.Errorf("%T is not supported", f.GetFilterSpecifier())
}

func (c *compiler) compileLogFilters(list []*accesslogv3.AccessLogFilter, depth int) ([]logFilter, error) {
	var out []logFilter
	for _, f := range list {
		built, err := c.compileLogFilter(f, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, built)
	}
	return out, nil
}

// comparison compares with a number that a runtime key may override.
func (c *compiler) comparison(f *accesslogv3.ComparisonFilter) (func(int64) bool, error) {
	limit := int64(f.GetValue().GetDefaultValue())
	if v, ok := c.runtime[f.GetValue().GetRuntimeKey()]; ok {
		limit = int64(v.GetNumberValue())
	}
	switch f.GetOp() {
	case accesslogv3.ComparisonFilter_EQ:
		return func(n int64) bool { return n == limit }, nil
	case accesslogv3.ComparisonFilter_GE:
		return func(n int64) bool { return n >= limit }, nil
	case accesslogv3.ComparisonFilter_LE:
		return func(n int64) bool { return n <= limit }, nil
	case accesslogv3.ComparisonFilter_NE:
		return func(n int64) bool { return n != limit }, nil
	}
	return nil, errors.New("comparison.op is unknown")
}

// flagFilter takes requests with one of the flags, or with any if none is named.
// A flag that the engine never sets is one that no request has.
func flagFilter(names []string) logFilter {
	var want responseFlags
	for i, f := range flagNames {
		if len(names) == 0 || slices.Contains(names, f.short) {
			want |= 1 << i
		}
	}
	return func(s *stream) bool { return s.flags&want != 0 }
}

// grpcFilter takes requests by their status, which others than those of gRPC have
// too, from their HTTP status.
func grpcFilter(f *accesslogv3.GrpcStatusFilter) logFilter {
	var named [len(grpcCodes)]bool
	for _, st := range f.GetStatuses() {
		if int(st) < len(named) {
			named[st] = true
		}
	}
	exclude := f.GetExclude()
	return func(s *stream) bool {
		code, ok := s.grpcCode()
		return (ok && code >= 0 && code < len(named) && named[code]) != exclude
	}
}

// lasted is how long the request has taken so far, or took.
func (s *stream) lasted() time.Duration {
	if s.end.IsZero() {
		return time.Since(s.start)
	}
	return s.end.Sub(s.start)
}

// logEnd is set before filters look at the duration.
func (s *stream) logEnd() {
	if s.end.IsZero() {
		s.end = time.Now()
	}
	s.wireReceived, s.wireSent = s.client.wire()
}
