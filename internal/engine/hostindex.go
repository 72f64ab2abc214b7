package engine

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// hostIndex finds the virtual host of an authority in time that does not depend
// on the number of hosts: exact names first, then the longest suffix (*.x), the
// longest prefix (x.*), and "*" (config/route/v3/route_components.proto,
// VirtualHost.domains).
type hostIndex struct {
	hosts      []*virtualHost
	names      *hostNames
	ignorePort bool
}

// hostNames are the domains of virtual hosts. They do not know these, only their places:
// where one is another than before, the names are still good.
type hostNames struct {
	exact    map[string]hostPlace
	suffixes []affix // longest first
	prefixes []affix
	all      hostPlace
}

// hostPlace is the index of a virtual host, and 1; 0 is none.
type hostPlace int32

// affix holds the names of one length.
type affix struct {
	length int
	hosts  map[string]hostPlace
}

// add registers a domain of the virtual host at an index. A domain belongs to one
// virtual host only.
func (x *hostNames) add(domain string, i int) error {
	v := hostPlace(i + 1)
	d := strings.ToLower(domain)
	switch {
	case d == "":
		return fmt.Errorf("an empty domain")
	case d == "*":
		if x.all != 0 {
			return fmt.Errorf("only one virtual host may have the domain *")
		}
		x.all = v
		return nil
	case strings.HasPrefix(d, "*"):
		return addAffix(&x.suffixes, d[1:], v)
	case strings.HasSuffix(d, "*"):
		return addAffix(&x.prefixes, d[:len(d)-1], v)
	}
	if x.exact == nil {
		x.exact = map[string]hostPlace{}
	}
	if x.exact[d] != 0 {
		return fmt.Errorf("the domain %s is used twice", domain)
	}
	x.exact[d] = v
	return nil
}

func addAffix(list *[]affix, text string, v hostPlace) error {
	i, found := slices.BinarySearchFunc(*list, len(text), func(a affix, n int) int { return cmp.Compare(n, a.length) })
	if !found {
		*list = slices.Insert(*list, i, affix{len(text), map[string]hostPlace{}})
	}
	if (*list)[i].hosts[text] != 0 {
		return fmt.Errorf("the domain with %s is used twice", text)
	}
	(*list)[i].hosts[text] = v
	return nil
}

// find returns the virtual host of a lower-case authority, or nil.
func (x *hostIndex) find(host []byte) *virtualHost {
	if x.ignorePort {
		host = withoutPort(host)
	}
	if i := x.names.find(host); i != 0 {
		return x.hosts[i-1]
	}
	return nil
}

func (x *hostNames) find(host []byte) hostPlace {
	if v := x.exact[string(host)]; v != 0 {
		return v
	}
	for _, a := range x.suffixes {
		// The wildcard stands for at least one character.
		if len(host) > a.length {
			if v := a.hosts[string(host[len(host)-a.length:])]; v != 0 {
				return v
			}
		}
	}
	for _, a := range x.prefixes {
		if len(host) > a.length {
			if v := a.hosts[string(host[:a.length])]; v != 0 {
				return v
			}
		}
	}
	return x.all
}

// withoutPort cuts ":port" off an authority; the brackets of an IPv6 address
// stay.
func withoutPort(host []byte) []byte {
	i := bytes.LastIndexByte(host, ':')
	if i < 0 || bytes.IndexByte(host[i:], ']') >= 0 {
		return host
	}
	for _, c := range host[i+1:] {
		if c < '0' || c > '9' {
			return host
		}
	}
	return host[:i]
}
