package origin

import (
	"net/netip"
	"strconv"
	"strings"
)

// Parts is an origin taken apart.
type Parts struct {
	Scheme string // http or https
	Host   string // as it is written; IPv6 with its brackets
	Port   int    // 0 for the scheme's own
}

// hostCharacters are those that a browser leaves as they are in a host name: names
// are lower case and ASCII when they are serialized, and beside letters and digits
// there are the characters that are no forbidden domain code points (URL, section
// 3.2) and that Chrome 147 neither refuses nor escapes.
const hostCharacters = "abcdefghijklmnopqrstuvwxyz0123456789-_\"{}+!~`;&'(),$="

// Parse takes apart an origin as a browser sends it for a page of http or https
// (URL, sections 3.5 and 4.5; HTML, section 7.1.1): the host in lower case, no
// default port, nothing behind. It fails for "null" and for everything else.
//
// Labels of a name are not empty here, though URL allows it: no such name resolves.
func Parse(s string) (Parts, bool) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || scheme != "http" && scheme != "https" {
		return Parts{}, false
	}
	host, port := rest, ""
	if i := strings.LastIndexByte(rest, ':'); i > strings.LastIndexByte(rest, ']') {
		host, port = rest[:i], rest[i+1:]
		if port == "" {
			return Parts{}, false
		}
	}
	p := Parts{Scheme: scheme, Host: host}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || port[0] == '0' || port[0] == '+' || n == uint64(defaultPort(scheme)) {
			return Parts{}, false
		}
		p.Port = int(n)
	}
	return p, validHost(host)
}

// Sendable reports whether a browser may send s as the origin of a page of http or
// https.
func Sendable(s string) bool {
	_, ok := Parse(s)
	return ok
}

func defaultPort(scheme string) int {
	if scheme == "http" {
		return 80
	}
	return 443
}

func validHost(host string) bool {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		return ok && serializedIPv6(inner)
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	for _, label := range labels {
		if label == "" || strings.ContainsFunc(label, func(r rune) bool { return !strings.ContainsRune(hostCharacters, r) }) {
			return false
		}
	}
	// A name that ends in a number is an address, or nothing (URL, section 3.5).
	if !numeric(labels[len(labels)-1]) {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Is4()
}

// numeric reports whether a label is a number of the kinds that addresses may have.
func numeric(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

// serializedIPv6 reports whether an address is in the form of URL, section 3.6: that
// of RFC 5952, but without dotted parts.
func serializedIPv6(s string) bool {
	addr, err := netip.ParseAddr(s)
	if err != nil || !addr.Is6() || addr.Zone() != "" {
		return false
	}
	if addr.Is4In6() {
		b := addr.As16()
		hi, lo := uint64(b[12])<<8|uint64(b[13]), uint64(b[14])<<8|uint64(b[15])
		return s == "::ffff:"+strconv.FormatUint(hi, 16)+":"+strconv.FormatUint(lo, 16)
	}
	return addr.String() == s
}

// The languages of origins, as expressions.
const (
	exprLabel = "[a-z0-9_\"{}+!~`;&'(),$=-]+"
	exprOctet = `(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])`
	exprPort  = `(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?`
	exprIPv4  = exprOctet + `(?:\.` + exprOctet + `){3}`
	// Of IPv6 only the characters count; Parse knows the rest.
	exprIPv6 = `\[[0-9a-f:]+\]`
	exprName = exprLabel + `(?:\.` + exprLabel + `)*\.?`
	// exprNumber are the names that end in a number.
	exprNumber  = `https?://(?:[^/]*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?(?::[0-9]+)?`
	exprDefault = `(?s:http://.*[^:]:80|https://.*[^:]:443)`
)

// browserOrigins returns the language of the origins of pages of http and https, as
// Parse takes them, and some with addresses of IPv6 that no browser writes so.
func browserOrigins() (*Language, error) {
	named, err := expression(`https?://` + exprName + exprPort)
	if err != nil {
		return nil, err
	}
	numbers, err := expression(exprNumber)
	if err != nil {
		return nil, err
	}
	if named, err = Minus(named, numbers); err != nil {
		return nil, err
	}
	addresses, err := expression(`https?://(?:` + exprIPv4 + `|` + exprIPv6 + `)` + exprPort)
	if err != nil {
		return nil, err
	}
	all, err := Union(named, addresses)
	if err != nil {
		return nil, err
	}
	defaults, err := expression(exprDefault)
	if err != nil {
		return nil, err
	}
	return Minus(all, defaults)
}
