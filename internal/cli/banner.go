package cli

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"text/tabwriter"

	"github.com/crossgate/crossgate/internal/devkit"
	"github.com/crossgate/crossgate/internal/xds"
)

// maxTableRows keeps the table of a large configuration readable.
const maxTableRows = 40

// banner tells what a gateway serves, and how to try it.
type banner struct {
	snapshot *xds.Snapshot
	ports    xds.Ports
	ca       *devkit.CA // nil without --dev-certs
}

func (b banner) write(w io.Writer) error {
	list := entries(b.snapshot, b.ports)
	var out bytes.Buffer
	b.writeTable(&out, list)
	if cmd := b.preflight(list); cmd != "" {
		fmt.Fprintf(&out, "\nTry a preflight:\n%s\n", cmd)
	}
	fmt.Fprintln(&out, "\nready")
	_, err := w.Write(out.Bytes())
	return err
}

func (b banner) writeTable(w io.Writer, list []entry) {
	where := newDestinations(b.snapshot)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "HOST\tURL\tROUTE\tUPSTREAM")
	for i, e := range list {
		if i == maxTableRows {
			fmt.Fprintf(tw, "… and %d more\n", len(list)-maxTableRows)
			break
		}
		route := describeMatch(e.route.GetMatch())
		if e.cors != nil {
			route += " (cors)"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", e.host, e.url(""), route, where.describe(e.route))
	}
	tw.Flush() //nolint:errcheck // a buffer
}

// preflight returns a curl command that asks the gateway what a browser would
// ask it, for the first route whose policy allows an origin that can be named.
func (b banner) preflight(list []entry) string {
	for _, e := range list {
		if e.cors == nil {
			continue
		}
		req, ok := preflightFor(e)
		if !ok {
			continue
		}
		return req.curl(e, b.trust(e), b.connectTo())
	}
	return ""
}

// trust returns the options with which curl accepts the entry's certificate.
func (b banner) trust(e entry) []string {
	if !e.tls {
		return nil
	}
	if b.ca != nil {
		for _, s := range b.snapshot.Secrets {
			chain := s.GetTlsCertificate().GetCertificateChain().GetInlineBytes()
			if s.GetName() == e.cert && bytes.Contains(chain, b.ca.CertPEM()) {
				return []string{"--cacert", b.ca.CertFile()}
			}
		}
	}
	return []string{"--insecure"} // whom a given certificate is signed by is not known
}

// connectTo returns the address that a client of this machine connects to.
func (b banner) connectTo() string {
	ip := net.ParseIP(b.ports.Bind)
	switch {
	case ip == nil || ip.Equal(net.IPv4zero):
		return "127.0.0.1"
	case ip.Equal(net.IPv6zero):
		return "[::1]"
	case ip.To4() == nil:
		return "[" + ip.String() + "]"
	}
	return ip.String()
}
