package engine

import (
	"errors"
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/crossgate/crossgate/internal/format"
	"github.com/crossgate/crossgate/internal/header"
	"github.com/crossgate/crossgate/internal/http1"
)

// localReplies is a compiled LocalReplyConfig: what becomes of the answers that are
// the proxy's own.
type localReplies struct {
	mappers []replyMapper
	body    *replyBody // nil: as it is
}

// replyMapper changes the answers that its filter takes; the first one counts.
type replyMapper struct {
	filter  logFilter
	status  int // 0: as it is
	hasText bool
	text    []byte
	headers *mutations
	body    *replyBody // nil: that of all
}

// replyBody is how the body is written, and of which type it is then.
type replyBody struct {
	format      *format.Format
	contentType []byte
	json        bool // of the proxy's default type for JSON
}

func (c *compiler) compileLocalReplies(cfg *hcmv3.LocalReplyConfig) (*localReplies, error) {
	if cfg == nil {
		return nil, nil
	}
	out := &localReplies{}
	for i, m := range cfg.GetMappers() {
		built, err := c.compileReplyMapper(m)
		if err != nil {
			return nil, prefixed(fmt.Sprintf("mappers[%d]", i), err)
		}
		out.mappers = append(out.mappers, built)
	}
	var err error
	if out.body, err = compileReplyBody(cfg.GetBodyFormat()); err != nil {
		return nil, prefixed("body_format", err)
	}
	return out, nil
}

func (c *compiler) compileReplyMapper(m *hcmv3.ResponseMapper) (out replyMapper, err error) {
	if out.filter, err = c.compileLogFilter(m.GetFilter(), 0); err != nil {
		return out, prefixed("filter", err)
	}
	if out.filter == nil {
		return out, errors.New("no filter")
	}
	if s := m.GetStatusCode(); s != nil {
		out.status = int(s.GetValue())
		if out.status < 200 || out.status > 599 {
			return out, fmt.Errorf("status_code %d is not one of an answer", out.status)
		}
	}
	if m.GetBody() != nil {
		out.hasText = true
		if out.text, err = dataSource(m.GetBody()); err != nil {
			return out, prefixed("body", err)
		}
	}
	if out.body, err = compileReplyBody(m.GetBodyFormatOverride()); err != nil {
		return out, prefixed("body_format_override", err)
	}
	if out.headers, err = compileMutations(m.GetHeadersToAdd(), nil, http1.JoinsResponse); err != nil {
		return out, prefixed("headers_to_add", err)
	}
	return out, nil
}

// compileReplyBody returns nil where no format is given.
func compileReplyBody(f *corev3.SubstitutionFormatString) (*replyBody, error) {
	if f == nil {
		return nil, nil
	}
	built, err := logFormat(f)
	if err != nil {
		return nil, err
	}
	out := &replyBody{format: built, contentType: []byte(f.GetContentType())}
	switch {
	case hasControl(f.GetContentType()):
		return nil, errors.New("content_type: control characters")
	case len(out.contentType) > 0:
		out.json = string(out.contentType) == string(vJSON)
	case f.GetJsonFormat() != nil:
		out.contentType, out.json = vJSON, true
	default:
		out.contentType = vTextPlain
	}
	return out, nil
}

var vJSON = []byte("application/json")

// rewrite makes of an answer what the configuration says, its status among it, and
// returns the body and how it was written (Envoy's LocalReplyImpl). Headers that
// are added see the answer's status from before.
func (r *localReplies) rewrite(s *stream, h *header.List, body []byte) ([]byte, *replyBody) {
	last := r.body
	for i := range r.mappers {
		m := &r.mappers[i]
		if !m.filter(s) {
			continue
		}
		if m.hasText {
			body = m.text
		}
		if m.headers != nil {
			m.headers.apply(s, h)
		}
		if m.status != 0 {
			s.status = m.status
		}
		if m.body != nil {
			last = m.body
		}
		break
	}
	if last == nil {
		return body, nil
	}
	s.replyText = body
	body = s.arena.Done(last.format.Append(s.arena.Start(), s))
	s.replyText = nil
	return body, last
}
