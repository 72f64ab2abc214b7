package engine

import (
	"strconv"

	"github.com/crossgate/crossgate/internal/format"
	"github.com/crossgate/crossgate/internal/header"
)

// appendGRPCStatus appends the status of a gRPC answer: that of its trailers or
// its headers, or what the HTTP status stands for.
func (s *stream) appendGRPCStatus(dst []byte, v format.Value) ([]byte, bool) {
	if !isGRPC(&s.req.Headers) {
		return dst, false
	}
	code, ok := s.grpcCode()
	if !ok {
		return dst, false
	}
	if v == format.GRPCStatusNumber || code < 0 || code >= len(grpcCodes) {
		return strconv.AppendInt(dst, int64(code), 10), true
	}
	if v == format.GRPCStatusSnake {
		return append(dst, grpcCodes[code].snake...), true
	}
	return append(dst, grpcCodes[code].camel...), true
}

func (s *stream) grpcCode() (int, bool) {
	for _, h := range [2]*header.List{&s.trailers, &s.resp.Headers} {
		if text, _ := h.Get("grpc-status"); len(text) > 0 {
			n, err := strconv.Atoi(string(text))
			if err != nil {
				n = -1 // as Envoy calls what is no code
			}
			return n, true
		}
	}
	if s.unanswered || s.status == 0 {
		return grpcCodeOf(100), s.continued()
	}
	return grpcCodeOf(s.status), true
}

// grpcCodes are the names of gRPC's status codes, as Envoy writes them.
var grpcCodes = [...]struct{ camel, snake string }{
	{"OK", "OK"},
	{"Canceled", "CANCELLED"},
	{"Unknown", "UNKNOWN"},
	{"InvalidArgument", "INVALID_ARGUMENT"},
	{"DeadlineExceeded", "DEADLINE_EXCEEDED"},
	{"NotFound", "NOT_FOUND"},
	{"AlreadyExists", "ALREADY_EXISTS"},
	{"PermissionDenied", "PERMISSION_DENIED"},
	{"ResourceExhausted", "RESOURCE_EXHAUSTED"},
	{"FailedPrecondition", "FAILED_PRECONDITION"},
	{"Aborted", "ABORTED"},
	{"OutOfRange", "OUT_OF_RANGE"},
	{"Unimplemented", "UNIMPLEMENTED"},
	{"Internal", "INTERNAL"},
	{"Unavailable", "UNAVAILABLE"},
	{"DataLoss", "DATA_LOSS"},
	{"Unauthenticated", "UNAUTHENTICATED"},
}
