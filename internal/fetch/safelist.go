package fetch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxSafelisted is how long a safelisted value may be, and maxSafelistedSum how long all of them together (in bytes).
const (
	maxSafelisted    = 128
	maxSafelistedSum = 1024
)

// unsafeHeader is a field that needs a preflight, and why.
type unsafeHeader struct{ name, reason string }

// unsafeHeaders is "CORS-unsafe request-header names" of the list: names in lower case, sorted, each once, with the first
// reason.
func unsafeHeaders(list []Field) []unsafeHeader {
	var out, safe []unsafeHeader
	sum := 0
	for _, f := range list {
		name := strings.ToLower(f.Name)
		if reason := whyUnsafe(name, f.Value); reason != "" {
			out = append(out, unsafeHeader{name, reason})
			continue
		}
		safe = append(safe, unsafeHeader{name, fmt.Sprintf("the safelisted values together are over %d bytes", maxSafelistedSum)})
		sum += len(f.Value)
	}
	if sum > maxSafelistedSum {
		out = append(out, safe...)
	}
	slices.SortStableFunc(out, func(a, b unsafeHeader) int { return strings.Compare(a.name, b.name) })
	return slices.CompactFunc(out, func(a, b unsafeHeader) bool { return a.name == b.name })
}

// whyUnsafe is "CORS-safelisted request-header": "" if the field is one, else the reason why not. The name is in lower case.
func whyUnsafe(name, value string) string {
	if len(value) > maxSafelisted {
		return fmt.Sprintf("its value is over %d bytes", maxSafelisted)
	}
	switch name {
	case "accept":
		return unsafeByte(value)
	case "accept-language", "content-language":
		for i := range len(value) {
			if !isLanguageByte(value[i]) {
				return fmt.Sprintf("its value has the character %q", value[i])
			}
		}
		return ""
	case "content-type":
		if reason := unsafeByte(value); reason != "" {
			return reason
		}
		switch essence := mimeEssence(value); essence {
		case "application/x-www-form-urlencoded", "multipart/form-data", "text/plain":
			return ""
		case "":
			return "its value is no media type"
		default:
			return fmt.Sprintf("%s is none of the three media types of forms", essence)
		}
	case "range":
		if !isSimpleRange(value) {
			return "its value is no single range with a first position"
		}
		return ""
	}
	return "it is not on the safelist"
}

// unsafeByte finds the first "CORS-unsafe request-header byte".
func unsafeByte(value string) string {
	for i := range len(value) {
		c := value[i]
		if c < 0x20 && c != '\t' || c == 0x7f || strings.IndexByte("\"():<>?@[\\]{}", c) >= 0 {
			return fmt.Sprintf("its value has the character %q", c)
		}
	}
	return ""
}

func isLanguageByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(" *,-.;=", c) >= 0
}

// mimeEssence is the essence of "parse a MIME type" (MIME Sniffing, section 4.4), in lower case; "" if it fails. Parameters
// never make it fail.
func mimeEssence(value string) string {
	value = strings.Trim(value, " \t\r\n")
	kind, rest, found := strings.Cut(value, "/")
	if !found || !isToken(kind) {
		return ""
	}
	subtype, _, _ := strings.Cut(rest, ";")
	subtype = strings.TrimRight(subtype, " \t\r\n")
	if !isToken(subtype) {
		return ""
	}
	return strings.ToLower(kind + "/" + subtype)
}

// isSimpleRange is "parse a single range header value" without blanks, for which the first position has to be there.
func isSimpleRange(value string) bool {
	positions, ok := strings.CutPrefix(value, "bytes=")
	if !ok {
		return false
	}
	first, last, ok := strings.Cut(positions, "-")
	if !ok || !isDigits(first) {
		return false
	}
	if last == "" {
		return true
	}
	if !isDigits(last) {
		return false
	}
	// Positions have no upper bound in the standard; numbers of equal length compare as strings.
	first, last = strings.TrimLeft(first, "0"), strings.TrimLeft(last, "0")
	return len(first) < len(last) || len(first) == len(last) && first <= last
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// maxAge is the seconds of Access-Control-Max-Age: one header, digits only.
func maxAge(list []Field) (seconds int64, ok bool) {
	n := 0
	for _, f := range list {
		if strings.EqualFold(f.Name, "access-control-max-age") {
			n++
		}
	}
	value, _ := get(list, "access-control-max-age")
	if n != 1 || !isDigits(value) {
		return 0, false
	}
	seconds, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 1<<63 - 1, true // more digits than a number has: as long as can be
	}
	return seconds, true
}
