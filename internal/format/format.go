package format

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Format is a compiled text with operators. It is immutable.
type Format struct {
	parts []part
	json  *object // a JSON format has this instead
	omit  bool
}

// OmitEmpty leaves out what has no value: the "-" of a text, the field of a JSON
// object.
func (f *Format) OmitEmpty() { f.omit = true }

// missing is what stands in a text for a value that there is not.
func missing(omit bool) string {
	if omit {
		return ""
	}
	return "-"
}

// part is a literal text or an operator.
type part struct {
	literal   string
	kind      kind
	value     Value
	numeric   bool
	name      string // of a header
	fallback  string // the header to read where name is missing
	limit     int    // bytes; -1: none
	clock     *clock // of the times
	limitless bool   // takes no length
	filled    bool   // the fallback is read where name is empty, too
	cidr      int    // bits of an address that are kept; 0: all of it, bare
	span      span   // of COMMON_DURATION
	metadata  metadata
	service   bool // the validity is that of its certificate, not the client's
	until     bool // it ends, not begins

	alternatives []part // of COALESCE
}

type kind uint8

const (
	kindLiteral kind = iota
	kindValue
	kindRequest
	kindRequestPath // without its query
	kindResponse
	kindTrailer
	kindAbsent // what this proxy never has
	kindStartTime
	kindEmitTime
	kindDash // an absent environment variable
	kindQueryParam
	kindDuration
	kindMetadata
	kindCoalesce
	kindValidity
	kindClientCert
)

// shape is how a value stands in JSON.
type shape uint8

const (
	absent shape = iota // null
	text                // in quotes
	typed               // as it is
)

// defaultLog is Envoy's text format for access logs.
const defaultLog = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" " +
	"%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% " +
	"%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" " +
	"\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n"

// DefaultLog is the format of access logs that configure none.
func DefaultLog() *Format {
	f, err := Parse(defaultLog)
	if err != nil {
		panic(err) // the text is a constant of this package
	}
	return f
}

// maxText bounds a format's length in bytes.
const maxText = 64 << 10

// Parse compiles a text. An error names the operator and its offset in bytes.
func Parse(text string) (*Format, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("a format of %d bytes, more than %d", len(text), maxText)
	}
	f := &Format{}
	literal := ""
	flush := func() {
		if literal != "" {
			f.parts = append(f.parts, part{literal: literal})
			literal = ""
		}
	}
	for i := 0; i < len(text); {
		j := strings.IndexByte(text[i:], '%')
		if j < 0 {
			literal += text[i:]
			break
		}
		literal += text[i : i+j]
		i += j
		if strings.HasPrefix(text[i:], "%%") {
			literal += "%"
			i += 2
			continue
		}
		p, n, err := parseOperator(text[i:])
		if err != nil {
			return nil, fmt.Errorf("offset %d: %w", i, err)
		}
		flush()
		f.parts = append(f.parts, p)
		i += n
	}
	flush()
	return f, nil
}

// parseOperator reads %NAME%, %NAME(ARGUMENT)% or %NAME(ARGUMENT):LIMIT%.
func parseOperator(text string) (part, int, error) {
	end := 1
	for end < len(text) && (text[end] == '_' || 'A' <= text[end] && text[end] <= 'Z' || '0' <= text[end] && text[end] <= '9') {
		end++
	}
	name := text[1:end]
	argument := ""
	if end < len(text) && text[end] == '(' {
		n := strings.IndexByte(text[end:], ')')
		if n < 0 {
			return part{}, 0, fmt.Errorf("%%%s( is not closed", name)
		}
		argument = text[end+1 : end+n]
		end += n + 1
	}
	limit := -1
	if end < len(text) && text[end] == ':' {
		n := strings.IndexByte(text[end:], '%')
		if n < 0 {
			return part{}, 0, fmt.Errorf("%%%s is not closed by a %%", name)
		}
		v, err := strconv.ParseUint(text[end+1:end+n], 10, 64)
		if err != nil {
			return part{}, 0, fmt.Errorf("%%%s: the length %q is not a number", name, text[end+1:end+n])
		}
		limit = int(min(v, maxText))
		end += n
	}
	if end >= len(text) || text[end] != '%' {
		return part{}, 0, fmt.Errorf("a %% that begins no operator (write %%%% for the sign itself)")
	}
	p, err := newPart(name, argument, limit)
	return p, end + 1, err
}

// newPart compiles an operator with a limit in bytes, or -1.
func newPart(name, argument string, limit int) (part, error) {
	p, err := parseName(name, argument)
	if err == nil && limit >= 0 && !p.takesLimit() {
		err = fmt.Errorf("%%%s%% takes no length", name)
	}
	p.limit = limit
	if p.kind == kindLiteral && limit >= 0 && len(p.literal) > limit {
		p.literal = p.literal[:limit]
	}
	return p, err
}

// takesLimit reports whether Envoy accepts a length behind the operator.
func (p *part) takesLimit() bool {
	switch p.kind {
	case kindValue:
		return p.value == QueryParams
	case kindStartTime, kindEmitTime, kindDuration, kindValidity:
		return false
	}
	return !p.limitless
}

// parseName compiles an operator.
func parseName(name, argument string) (part, error) {
	switch name {
	case "REQ", "RESP", "TRAILER", "REQUEST_HEADER", "RESPONSE_HEADER", "RESPONSE_TRAILER", "REQ_WITHOUT_QUERY", "STREAM_INFO_REQ":
		return headerOperator(name, argument)
	case "PATH":
		return pathOperator(argument)
	case "QUERY_PARAM", "QUERY_PARAMS":
		return queryOperator(name, argument)
	case "START_TIME", "START_TIME_LOCAL", "EMIT_TIME", "EMIT_TIME_LOCAL":
		return timeOperator(name, argument)
	case "DOWNSTREAM_PEER_CERT_V_START", "DOWNSTREAM_PEER_CERT_V_END", "UPSTREAM_PEER_CERT_V_START", "UPSTREAM_PEER_CERT_V_END":
		layout, err := parseLayout(argument)
		return part{
			kind: kindValidity, clock: newClock(layout, time.UTC),
			service: strings.HasPrefix(name, "UPSTREAM"), until: strings.HasSuffix(name, "END"),
		}, err
	case "COMMON_DURATION":
		s, err := parseSpan(argument)
		return part{kind: kindDuration, span: s, numeric: true}, err
	case "GRPC_STATUS":
		return grpcOperator(argument)
	case "ENVIRONMENT":
		if argument == "" {
			return part{}, fmt.Errorf("%%ENVIRONMENT without a name")
		}
		// The environment does not change while the proxy runs.
		if v, ok := os.LookupEnv(argument); ok {
			return part{kind: kindLiteral, literal: v}, nil
		}
		return part{kind: kindDash}, nil
	case "METADATA", "DYNAMIC_METADATA", "CLUSTER_METADATA", "UPSTREAM_METADATA":
		return metadataOperator(name, argument)
	case "COALESCE":
		return coalesceOperator(argument)
	case "XFCC_VALUE":
		return clientCertOperator(argument)
	case "FILTER_STATE", "UPSTREAM_FILTER_STATE":
		if argument == "" {
			return part{}, fmt.Errorf("%%%s without a name", name)
		}
		if key, as, typed := strings.Cut(argument, ":"); key == "" || typed && !filterStateType(as) {
			return part{}, fmt.Errorf("%%%s(%s)%%: want KEY:TYPE, with the type PLAIN, TYPED or FIELD", name, argument)
		}
		return part{kind: kindAbsent}, nil
	}
	op, ok := operators[name]
	if !ok {
		return part{}, fmt.Errorf("unknown operator %%%s%%", name)
	}
	p := part{kind: kindValue, value: op.value, numeric: op.numeric}
	switch {
	case argument == "" || op.argument == anyArgument:
	case op.argument == noArgument:
		return part{}, fmt.Errorf("%%%s%% takes no argument", name)
	default:
		// What is no number means nothing, as with Envoy.
		if n, err := strconv.ParseUint(argument, 10, 7); err == nil {
			p.cidr = int(n)
		}
	}
	return p, nil
}

func filterStateType(as string) bool {
	as, _, _ = strings.Cut(as, ":")
	return as == "PLAIN" || as == "TYPED" || as == "FIELD"
}

// timeOperator reads %START_TIME(FORMAT)% and %EMIT_TIME(FORMAT)%, in UTC or in
// the zone of the machine.
func timeOperator(name, argument string) (part, error) {
	zone := time.UTC
	name, local := strings.CutSuffix(name, "_LOCAL")
	if local {
		zone = time.Local
		argument = cmp.Or(argument, defaultLocalLayout)
	}
	layout, err := parseLayout(argument)
	p := part{kind: kindStartTime, clock: newClock(layout, zone)}
	if name == "EMIT_TIME" {
		p.kind = kindEmitTime
	}
	return p, err
}

// queryOperator reads %QUERY_PARAM(NAME)% and %QUERY_PARAMS(WHICH)%.
func queryOperator(name, argument string) (part, error) {
	if name == "QUERY_PARAMS" {
		switch argument {
		case "", "ORIG", "DECODED":
			return part{kind: kindValue, value: QueryParams}, nil
		}
		return part{}, fmt.Errorf("%%QUERY_PARAMS(%s)%%: neither ORIG nor DECODED", argument)
	}
	if argument == "" {
		return part{}, fmt.Errorf("%%QUERY_PARAM without a name")
	}
	return part{kind: kindQueryParam, name: argument}, nil
}

func grpcOperator(argument string) (part, error) {
	switch argument {
	case "", "CAMEL_STRING":
		return part{kind: kindValue, value: GRPCStatus}, nil
	case "SNAKE_STRING":
		return part{kind: kindValue, value: GRPCStatusSnake}, nil
	case "NUMBER":
		return part{kind: kindValue, value: GRPCStatusNumber, numeric: true}, nil
	}
	return part{}, fmt.Errorf("%%GRPC_STATUS(%s)%%: none of CAMEL_STRING, SNAKE_STRING and NUMBER", argument)
}

// pathOperator reads %PATH(QUERY:WHICH)%: with (WQ) or without (NQ) the query, of
// the path as it came (ORIG), as it is (PATH), or the first of them that is there.
func pathOperator(argument string) (part, error) {
	query, which, _ := strings.Cut(argument, ":")
	p := part{kind: kindRequest, name: "x-envoy-original-path", fallback: ":path", filled: true}
	switch which {
	case "", "ORIG_OR_PATH":
	case "ORIG":
		p.fallback = ""
	case "PATH":
		p.name, p.fallback = ":path", ""
	default:
		return p, fmt.Errorf("%%PATH(%s)%%: %q is neither ORIG, PATH nor ORIG_OR_PATH", argument, which)
	}
	switch query {
	case "", "WQ":
	case "NQ":
		p.kind = kindRequestPath
	default:
		return p, fmt.Errorf("%%PATH(%s)%%: %q is neither WQ nor NQ", argument, query)
	}
	return p, nil
}

func headerOperator(op, argument string) (part, error) {
	name, fallback, two := strings.Cut(strings.ToLower(argument), "?")
	if argument == "" || two && strings.Contains(fallback, "?") {
		return part{}, fmt.Errorf("%%%s(%s)%%: one header, or two as in X?Y", op, argument)
	}
	if strings.ContainsAny(argument, " \t,;\"") || strings.LastIndexByte(name, ':') > 0 || strings.LastIndexByte(fallback, ':') > 0 {
		return part{}, fmt.Errorf("%%%s(%s)%%: no name of a header", op, argument)
	}
	p := part{name: name, fallback: fallback}
	switch op {
	case "REQ", "REQUEST_HEADER", "STREAM_INFO_REQ":
		p.kind = kindRequest
	case "REQ_WITHOUT_QUERY":
		p.kind = kindRequestPath
	case "RESP", "RESPONSE_HEADER":
		p.kind = kindResponse
	default:
		p.kind = kindTrailer
	}
	return p, nil
}

// Append appends the text for a log: a missing value is "-".
func (f *Format) Append(dst []byte, s Source) []byte {
	if f.json != nil {
		return append(f.json.append(dst, s, f.omit), '\n')
	}
	return f.append(dst, s, missing(f.omit))
}

// AppendHeader appends the text for a header's value: a missing value is nothing.
// Metadata may hold what a header cannot; a line break would write a second one.
func (f *Format) AppendHeader(dst []byte, s Source) []byte {
	n := len(dst)
	dst = f.append(dst, s, "")
	for i, c := range dst[n:] {
		if c < ' ' && c != '\t' || c == 0x7f {
			dst[n+i] = '_'
		}
	}
	return dst
}

func (f *Format) append(dst []byte, s Source, missing string) []byte {
	for i := range f.parts {
		p := &f.parts[i]
		n := len(dst)
		var ok bool
		if dst, ok = p.append(dst, s); !ok {
			dst = append(dst, missing...)
		} else {
			dst = p.cut(dst, n)
		}
	}
	return dst
}

// cut shortens the value that stands from n to the part's length, which Envoy takes
// for XFCC_VALUE and does not heed.
func (p *part) cut(dst []byte, n int) []byte {
	if p.limit >= 0 && p.kind != kindLiteral && p.kind != kindClientCert && len(dst)-n > p.limit {
		return dst[:n+p.limit]
	}
	return dst
}

// appendTyped appends the part's value for JSON, still without quotes. Only texts
// are cut there, as with Envoy.
func (p *part) appendTyped(dst []byte, s Source) ([]byte, shape) {
	n := len(dst)
	switch p.kind {
	case kindMetadata:
		out, as := p.metadata.appendTo(dst, s)
		if as == text {
			out = p.cut(out, n)
		}
		return out, as
	case kindCoalesce:
		return p.appendFirst(dst, s)
	}
	dst, ok := p.append(dst, s)
	switch {
	case !ok:
		return dst[:n], absent
	case p.numeric:
		return dst, typed
	}
	return p.cut(dst, n), text
}

// append appends the part's value; false means that there is none.
func (p *part) append(dst []byte, s Source) ([]byte, bool) {
	switch p.kind {
	case kindLiteral:
		return append(dst, p.literal...), true
	case kindValue:
		if text, ok := p.value.constant(); ok {
			return append(dst, text...), p.value != Never
		}
		n := len(dst)
		dst, ok := s.AppendValue(dst, p.value)
		if ok && p.cidr > 0 {
			dst = appendPrefix(dst, n, p.cidr)
		}
		return dst, ok
	case kindQueryParam:
		return appendParam(dst, s, p.name)
	case kindDuration:
		return s.AppendSpan(dst, p.span.From, p.span.To, p.span.Unit)
	case kindEmitTime:
		return p.clock.append(dst, time.Now()), true
	case kindStartTime:
		return p.clock.append(dst, s.StartTime()), true
	case kindDash:
		return append(dst, '-'), true
	case kindAbsent:
		return dst, false
	case kindValidity:
		from, to, ok := s.Validity(p.service)
		if !ok {
			return dst, false
		}
		if p.until {
			from = to
		}
		return p.clock.append(dst, from), true
	case kindMetadata:
		dst, as := p.metadata.appendTo(dst, s)
		return dst, as != absent
	case kindCoalesce:
		return p.appendAlternative(dst, s)
	case kindClientCert:
		return appendClientCert(dst, s, p.name)
	}
	v, ok := p.header(s, p.name)
	if (!ok || p.name == "" || p.filled && len(v) == 0) && p.fallback != "" {
		v, ok = p.header(s, p.fallback)
	}
	if !ok {
		return dst, false
	}
	if p.kind == kindRequestPath {
		for i, c := range v {
			if c == '?' {
				v = v[:i]
				break
			}
		}
	}
	return append(dst, v...), true
}

func (p *part) header(s Source, name string) ([]byte, bool) {
	if name == "" {
		return nil, false
	}
	switch p.kind {
	case kindResponse:
		return s.ResponseHeader(name)
	case kindTrailer:
		return s.ResponseTrailer(name)
	}
	return s.RequestHeader(name)
}
