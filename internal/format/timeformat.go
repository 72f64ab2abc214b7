package format

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// timeField is a literal text or one field of a time.
type timeField struct {
	literal string
	layout  string // of package time
	unix    bool   // seconds since 1970
	digits  int    // of a fraction of the second
	short   bool   // without the fraction's zeros at the end
}

// defaultLayout is ISO 8601 with milliseconds.
const defaultLayout = "%Y-%m-%dT%H:%M:%E3SZ"

// defaultLocalLayout is the same with the offset of the zone.
const defaultLocalLayout = "%Y-%m-%dT%H:%M:%E3S%z"

// strftime maps the conversions of strftime(3) to package time's layouts.
var strftime = map[byte]string{
	'Y': "2006", 'm': "01", 'd': "02", 'H': "15", 'M': "04", 'S': "05", 'y': "06", 'e': "_2", 'j': "002", 'I': "03", 'p': "PM",
	'b': "Jan", 'B': "January", 'h': "Jan", 'a': "Mon", 'A': "Monday", 'Z': "MST", 'z': "-0700",
	'F': "2006-01-02", 'T': "15:04:05", 'D': "01/02/06", 'R': "15:04", 'c': "Mon Jan _2 15:04:05 2006",
}

// parseLayout compiles a time format: strftime's conversions, %s for seconds,
// %1f to %9f (%f is %9f) or %E3f for fractions, %E3S and %E*S for seconds with a
// fraction. A digit before s means nothing, and an unknown conversion stands for
// itself, as with Envoy.
func parseLayout(text string) ([]timeField, error) {
	if text == "" {
		text = defaultLayout
	}
	var out []timeField
	for text != "" {
		i := strings.IndexByte(text, '%')
		if i < 0 {
			return append(out, timeField{literal: text}), nil
		}
		if i > 0 {
			out = append(out, timeField{literal: text[:i]})
		}
		text = text[i+1:]
		fields, n, err := conversion(text)
		if err != nil {
			return nil, err
		}
		out = append(out, fields...)
		text = text[n:]
	}
	return out, nil
}

func conversion(text string) ([]timeField, int, error) {
	if text == "" {
		return nil, 0, fmt.Errorf("a time format that ends with %%")
	}
	digit := func(i int) bool { return i < len(text) && '1' <= text[i] && text[i] <= '9' }
	switch c := text[0]; {
	case c == '%':
		return []timeField{{literal: "%"}}, 1, nil
	case c == 's':
		return []timeField{{unix: true}}, 1, nil
	case c == 'f':
		return []timeField{{digits: 9}}, 1, nil
	case digit(0) && len(text) > 1 && text[1] == 'f':
		return []timeField{{digits: int(c - '0')}}, 2, nil
	case digit(0) && len(text) > 1 && text[1] == 's':
		return []timeField{{unix: true}}, 2, nil
	case strings.HasPrefix(text, "E*S"):
		return []timeField{{layout: "05"}, {literal: "."}, {digits: 9, short: true}}, 3, nil
	case c == 'E' && digit(1) && len(text) > 2 && text[2] == 'S':
		return []timeField{{layout: "05"}, {literal: "."}, {digits: int(text[1] - '0')}}, 3, nil
	case c == 'E' && digit(1) && len(text) > 2 && text[2] == 'f':
		return []timeField{{digits: int(text[1] - '0')}}, 3, nil
	case strftime[c] != "":
		return []timeField{{layout: strftime[c]}}, 1, nil
	}
	return []timeField{{literal: "%" + text[:1]}}, 1, nil
}

// clock renders times by a layout. What comes before the first fraction is the
// same for a whole second and is kept.
type clock struct {
	fields []timeField
	zone   *time.Location
	coarse int // fields[:coarse] change once a second
	last   atomic.Pointer[second]
}

// second is the text of a layout's coarse part.
type second struct {
	unix int64
	text []byte
}

func newClock(fields []timeField, zone *time.Location) *clock {
	c := &clock{fields: fields, zone: zone}
	for c.coarse < len(fields) && fields[c.coarse].digits == 0 {
		c.coarse++
	}
	return c
}

func (c *clock) append(dst []byte, t time.Time) []byte {
	t = t.In(c.zone)
	s := c.last.Load()
	if unix := t.Unix(); s == nil || s.unix != unix {
		s = &second{unix, appendTime(nil, t, c.fields[:c.coarse])}
		c.last.Store(s)
	}
	dst = append(dst, s.text...)
	return appendTime(dst, t, c.fields[c.coarse:])
}

var point = []byte(".")

func appendTime(dst []byte, t time.Time, fields []timeField) []byte {
	for i := range fields {
		f := &fields[i]
		switch {
		case f.literal != "":
			dst = append(dst, f.literal...)
		case f.layout != "":
			dst = t.AppendFormat(dst, f.layout)
		default:
			if f.unix {
				dst = strconv.AppendInt(dst, t.Unix(), 10)
			}
			dst = appendFraction(dst, t.Nanosecond(), f.digits)
			if f.short {
				dst = bytes.TrimSuffix(bytes.TrimRight(dst, "0"), point)
			}
		}
	}
	return dst
}

// appendFraction appends the first digits of a second's nine.
func appendFraction(dst []byte, ns, digits int) []byte {
	for unit := 100_000_000; digits > 0; digits-- {
		dst = append(dst, byte('0'+ns/unit%10))
		unit = max(unit/10, 1)
	}
	return dst
}
