package engine

import (
	"bytes"
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// hostOnly is an authority without its port; an IPv6 address is also without its
// brackets (Http::Utility::parseAuthority of Envoy).
func hostOnly(authority []byte) []byte {
	host := authority
	if i := bytes.LastIndexByte(host, ':'); i >= 0 && host[len(host)-1] != ']' {
		if _, err := strconv.ParseUint(string(host[i+1:]), 10, 16); err == nil {
			host = host[:i]
		}
	}
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		if _, err := netip.ParseAddr(string(host[1 : n-1])); err == nil {
			return host[1 : n-1]
		}
	}
	return host
}

// carries reports whether a certificate is for a name: a DNS name in it, which may
// have a wildcard, or any other name that is equal
// (DefaultCertValidator::verifySubjectAltName of Envoy).
func carries(c *x509.Certificate, name string) bool {
	same := func(s string) bool { return s == name }
	if carriesDNS(c, name) || slices.ContainsFunc(c.EmailAddresses, same) ||
		slices.ContainsFunc(c.IPAddresses, func(ip net.IP) bool { return ip.String() == name }) {
		return true
	}
	for _, u := range c.URIs {
		if u.String() == name {
			return true
		}
	}
	return false
}

func carriesDNS(c *x509.Certificate, name string) bool {
	return slices.ContainsFunc(c.DNSNames, func(pattern string) bool { return dnsNameMatch(name, pattern) })
}

// dnsNameMatch reports whether a DNS name is one that a certificate's covers, in
// whose first label there may be a wildcard (RFC 6125 section 6.4.3, as
// Utility::dnsNameMatch of Envoy has it).
func dnsNameMatch(name, pattern string) bool {
	name, pattern = strings.ToLower(name), strings.ToLower(pattern)
	if name == pattern {
		return true
	}
	first, rest, ok := strings.Cut(pattern, ".")
	label, domain, more := strings.Cut(name, ".")
	if !ok || !more || rest != domain || strings.Contains(rest, "*") || strings.HasPrefix(first, "xn--") {
		return false
	}
	before, after, wild := strings.Cut(first, "*")
	if !wild || strings.Contains(after, "*") {
		return false
	}
	return len(label) >= len(before)+len(after) && strings.HasPrefix(label, before) && strings.HasSuffix(label, after)
}
