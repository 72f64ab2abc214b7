package upstream

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Resolver looks up names. It is asked from several goroutines.
type Resolver interface {
	// Lookup returns the addresses of one family that a name has. None, without
	// an error, says that the name or its addresses do not exist.
	Lookup(ctx context.Context, q Query) (Answer, error)
}

// Query is a question to a Resolver.
type Query struct {
	Name string
	V6   bool // AAAA, not A
	// Servers are asked in place of those of the system, if there are any; TCP
	// asks them over TCP.
	Servers []netip.AddrPort
	TCP     bool
}

// Answer is what a Resolver has found.
type Answer struct {
	Addrs []netip.Addr // in the order of the answer
	// TTL is how long the answer holds; 0 if that is not known, as of names that
	// stand in a file of hosts.
	TTL time.Duration
}

// SystemResolver is Go's own resolver: /etc/hosts, /etc/resolv.conf with its
// search list, and queries over UDP. Go does not tell the TTL of an answer, so it is
// read from the packets as they pass.
type SystemResolver struct{}

// Lookup implements Resolver.
func (SystemResolver) Lookup(ctx context.Context, q Query) (Answer, error) {
	network := "ip4"
	if q.V6 {
		network = "ip6"
	}
	var heard ttls
	var asked atomic.Uint32
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if n := uint32(len(q.Servers)); n > 0 {
			address = q.Servers[(asked.Add(1)-1)%n].String()
		}
		if q.TCP {
			network = "tcp"
		}
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		if udp, ok := c.(*net.UDPConn); ok {
			return &listeningUDP{udp, &heard}, nil
		}
		return &listeningTCP{Conn: c, heard: &heard}, nil
	}}
	addrs, err := r.LookupNetIP(ctx, network, q.Name)
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return Answer{}, nil
	}
	if err != nil {
		return Answer{}, err
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return Answer{Addrs: addrs, TTL: heard.least()}, nil
}

// ttls is the least TTL of the answers that were heard, in seconds plus one; 0 for
// none.
type ttls struct{ n atomic.Uint64 }

func (t *ttls) least() time.Duration {
	if n := t.n.Load(); n > 0 {
		return time.Duration(n-1) * time.Second
	}
	return 0
}

// hear reads the TTLs of a message. What is not understood is left to the resolver.
func (t *ttls) hear(message []byte) {
	var p dnsmessage.Parser
	if _, err := p.Start(message); err != nil || p.SkipAllQuestions() != nil {
		return
	}
	for {
		h, err := p.AnswerHeader()
		if err != nil {
			return
		}
		if n := t.n.Load(); n == 0 || uint64(h.TTL)+1 < n {
			t.n.Store(uint64(h.TTL) + 1)
		}
		if p.SkipAnswer() != nil {
			return
		}
	}
}

// listeningUDP is a socket of the resolver: each read is a message. It stays a
// net.PacketConn, by which the resolver knows that it is one.
type listeningUDP struct {
	*net.UDPConn
	heard *ttls
}

func (c *listeningUDP) Read(p []byte) (int, error) {
	n, err := c.UDPConn.Read(p)
	if n > 0 {
		c.heard.hear(p[:n])
	}
	return n, err
}

// listeningTCP is a connection of the resolver: a message comes after its length.
type listeningTCP struct {
	net.Conn
	heard *ttls
	got   []byte
}

func (c *listeningTCP) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.got = append(c.got, p[:n]...)
	if len(c.got) > 2 {
		if size := int(c.got[0])<<8 | int(c.got[1]); len(c.got) >= 2+size {
			c.heard.hear(c.got[2 : 2+size])
			c.got = c.got[2+size:]
		}
	}
	return n, err
}

// rooted is the name without the system's search list.
func rooted(name string) string { return strings.TrimSuffix(name, ".") + "." }
