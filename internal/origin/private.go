package origin

import (
	"net/netip"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// Private reports whether an origin is of a host that no stranger can have: this
// machine, a private address (RFC 1918, RFC 4193) or a name without a dot.
func (p Parts) Private() bool {
	host := strings.TrimSuffix(p.Host, ".")
	if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast() || addr.IsUnspecified()
	}
	return !strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost")
}

// Loopback reports whether an origin is of this machine.
func (p Parts) Loopback() bool {
	host := strings.TrimSuffix(p.Host, ".")
	if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return addr.IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// exprPrivate are the origins that Private is true for, and some that have no host.
const exprPrivate = `https?://(?:[^.:/\[\]]+|(?:[^:/]*\.)?localhost|127(?:\.[0-9]+){3}|10(?:\.[0-9]+){3}|192\.168(?:\.[0-9]+){2}` +
	`|169\.254(?:\.[0-9]+){2}|172\.(?:1[6-9]|2[0-9]|3[01])(?:\.[0-9]+){2}|0\.0\.0\.0|\[::1?\]|\[f[cd][0-9a-f:]*\]|\[fe[89ab][0-9a-f:]*\])\.?(?::[0-9]+)?`

// PublicSuffix reports whether a name is one below which anybody can get names: com,
// co.uk, github.io. It knows those of the Public Suffix List (publicsuffix.org).
func PublicSuffix(name string) bool {
	suffix, icann := publicsuffix.PublicSuffix(name)
	return suffix == name && (icann || strings.Contains(suffix, "."))
}
