package format

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// coalesceOperator reads %COALESCE({"operators": [...]})%: operators of which the
// first counts that has a value. Each is a name, or an object with command, param
// and max_length.
func coalesceOperator(argument string) (part, error) {
	p := part{kind: kindCoalesce}
	if argument == "" {
		return p, errors.New("%COALESCE without operators")
	}
	var config map[string]json.RawMessage
	if err := json.Unmarshal([]byte(argument), &config); err != nil {
		return p, fmt.Errorf("%%COALESCE: no JSON object: %w", err)
	}
	var entries []json.RawMessage
	if err := json.Unmarshal(config["operators"], &entries); err != nil || len(entries) == 0 {
		return p, errors.New(`%COALESCE: want {"operators": [...]} with at least one operator`)
	}
	for i, entry := range entries {
		one, err := alternative(entry)
		if err != nil {
			return p, fmt.Errorf("%%COALESCE: operators[%d]: %w", i, err)
		}
		p.alternatives = append(p.alternatives, one)
	}
	return p, nil
}

func alternative(entry json.RawMessage) (part, error) {
	var command, param string
	limit := -1
	if json.Unmarshal(entry, &command) != nil {
		var fields map[string]json.RawMessage
		if json.Unmarshal(entry, &fields) != nil {
			return part{}, errors.New("neither the name of an operator nor an object with command")
		}
		if json.Unmarshal(fields["command"], &command) != nil {
			return part{}, errors.New("command is no text")
		}
		if raw, ok := fields["param"]; ok && (raw[0] != '"' || json.Unmarshal(raw, &param) != nil) {
			return part{}, errors.New("param is no text")
		}
		if raw, ok := fields["max_length"]; ok {
			n, err := strconv.ParseInt(string(raw), 10, 64)
			if err != nil || n <= 0 {
				return part{}, errors.New("max_length is no positive whole number")
			}
			limit = int(min(n, maxText))
		}
	}
	return newPart(command, param, limit)
}

// appendFirst appends the value of the first alternative that has one, be it
// an empty text.
func (p *part) appendFirst(dst []byte, s Source) ([]byte, shape) {
	n := len(dst)
	for i := range p.alternatives {
		out, as := p.alternatives[i].appendTyped(dst, s)
		if as != absent {
			if as == text {
				out = p.cut(out, n)
			}
			return out, as
		}
		dst = out[:n]
	}
	return dst, absent
}

// appendAlternative is appendFirst for a text, in which metadata has a length, too.
func (p *part) appendAlternative(dst []byte, s Source) ([]byte, bool) {
	n := len(dst)
	for i := range p.alternatives {
		one := &p.alternatives[i]
		out, ok := one.append(dst, s)
		if ok {
			return p.cut(one.cut(out, n), n), true
		}
		dst = out[:n]
	}
	return dst, false
}
