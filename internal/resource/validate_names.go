package resource

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
)

// The forms of names as Istio's pkg/config/labels has them: labels in either
// case, and a first label that may be or begin with a wildcard.
var (
	hostLabel     = regexp.MustCompile(`^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$`)
	wildcardLabel = regexp.MustCompile(`^(\*|(\*|\*-)?[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)$`)
	labelValue    = regexp.MustCompile(`^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$`)
	labelKey      = regexp.MustCompile(`^(?:([a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?)*)/)?([A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)$`)
)

func isLabel(s string) bool { return len(s) <= 63 && hostLabel.MatchString(s) }

func isIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// domain checks a fully qualified name.
func domain(name string) error {
	if err := domainLength(name); err != nil {
		return err
	}
	return domainLabels(name)
}

// wildcardDomain checks a name whose first label may be a wildcard.
func wildcardDomain(name string) error {
	if err := domainLength(name); err != nil {
		return err
	}
	first, rest, more := strings.Cut(name, ".")
	if len(first) > 63 || !wildcardLabel.MatchString(first) {
		return badDomain(name, first)
	}
	if more {
		return domainLabels(rest)
	}
	return nil
}

func domainLength(name string) error {
	switch {
	case name == "":
		return errors.New("the host name is empty")
	case len(name) > 255:
		return fmt.Errorf("the host name %s is longer than 255 characters", clip(name))
	}
	return nil
}

func domainLabels(name string) error {
	labels := strings.Split(name, ".")
	last := labels[len(labels)-1]
	if _, err := strconv.Atoi(last); err == nil {
		return fmt.Errorf("%q is not a host name: the top level domain %q is a number", name, last)
	}
	for i, l := range labels {
		if i == len(labels)-1 && l == "" {
			return nil // an absolute name, "example.com."
		}
		if !isLabel(l) {
			return badDomain(name, l)
		}
	}
	return nil
}

func badDomain(name, label string) error {
	if host, port, ok := strings.Cut(label, ":"); ok && digits(port) && host != "" {
		return fmt.Errorf("%q is not a host name: it must not have a port (%q)", name, ":"+port)
	}
	return fmt.Errorf("%q is not a host name: the label %q is invalid", name, label)
}

func port(n uint32) error {
	if n < 1 || n > 65535 {
		return fmt.Errorf("port %d is not in 1..65535", n)
	}
	return nil
}

func validDuration(d *durationpb.Duration) error {
	switch span := d.AsDuration(); {
	case span < time.Millisecond:
		return errors.New("a duration must be at least 1ms")
	case span%time.Millisecond != 0:
		return errors.New("a duration is exact to milliseconds only")
	}
	return nil
}

func validLabels(labels map[string]string) error {
	for k, val := range labels {
		if part := labelKey.FindStringSubmatch(k); part == nil || len(part[1]) > 253 || len(part[2]) > 63 {
			return fmt.Errorf("%q is not a label key", clip(k))
		}
		if !labelValue.MatchString(val) {
			return fmt.Errorf("%q is not a label value", clip(val))
		}
	}
	return nil
}

// protocolKind is what a port protocol of Istio carries.
type protocolKind int

const (
	protocolUnknown protocolKind = iota
	protocolHTTP
	protocolTLS
	protocolOther
)

func protocolOf(name string) protocolKind {
	switch strings.ToLower(name) {
	case "http", "http2", "grpc", "grpc-web", "http_proxy":
		return protocolHTTP
	case "https", "tls":
		return protocolTLS
	case "tcp", "udp", "mongo", "redis", "mysql":
		return protocolOther
	}
	return protocolUnknown
}

// subnet checks an IP address or a CIDR block.
func subnet(s string) error {
	if !strings.Contains(s, "/") {
		if !isIP(s) {
			return fmt.Errorf("%s is not an IP address", quote(s))
		}
		return nil
	}
	if _, err := netip.ParsePrefix(s); err != nil {
		return fmt.Errorf("%s is not a CIDR block", quote(s))
	}
	return nil
}

// socketPath checks the path of a unix socket, or an abstract name with "@".
func socketPath(s string) error {
	if s == "" || s[0] != '@' && (s[0] != '/' || strings.HasSuffix(s, "/")) {
		return fmt.Errorf("%s is not the path of a socket", quote(unixPrefix+s))
	}
	return nil
}
