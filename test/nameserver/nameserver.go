package nameserver

import (
	"net"
	"net/netip"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

// Answer is what the server says about a name. The zero Answer is that there is
// no such name.
type Answer struct {
	// Addrs are the addresses of both families, in the order in which they are
	// sent.
	Addrs []netip.Addr
	// TTL of the addresses in seconds.
	TTL uint32
	// Exists makes a name without addresses of the family that was asked for
	// one that there is (NODATA).
	Exists bool
	// Fail answers with SERVFAIL, Silent not at all.
	Fail, Silent bool
}

// Server is a running server. It is safe for concurrent use.
type Server struct {
	conn net.PacketConn
	done chan struct{}

	mu      sync.Mutex
	answers map[string]Answer
	asked   map[string]int
}

// Listen starts a server on a port of the loopback that the system chooses.
func Listen() (*Server, error) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{conn: conn, done: make(chan struct{}), answers: map[string]Answer{}, asked: map[string]int{}}
	go s.serve()
	return s, nil
}

// Close ends the server.
func (s *Server) Close() {
	_ = s.conn.Close()
	<-s.done
}

// Port is the UDP port that the server listens on.
func (s *Server) Port() int { return s.conn.LocalAddr().(*net.UDPAddr).Port }

// Set says what the server answers about a name from now on.
func (s *Server) Set(name string, a Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[name] = a
}

// Asked is how often the server was asked for a name.
func (s *Server) Asked(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[name]
}

func (s *Server) serve() {
	defer close(s.done)
	buf := make([]byte, 1<<12)
	for {
		n, from, err := s.conn.ReadFrom(buf)
		if err != nil {
			return // closed
		}
		if reply := s.reply(buf[:n]); reply != nil {
			_, _ = s.conn.WriteTo(reply, from) // a lost packet is one of the test's
		}
	}
}

// reply answers one message; nil for no answer.
func (s *Server) reply(query []byte) []byte {
	var p dnsmessage.Parser
	head, err := p.Start(query)
	if err != nil {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	s.mu.Lock()
	a := s.answers[name]
	s.asked[name]++
	s.mu.Unlock()
	if a.Silent {
		return nil
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: head.ID, Response: true, RecursionDesired: head.RecursionDesired, RecursionAvailable: true},
		Questions: []dnsmessage.Question{q},
	}
	switch {
	case a.Fail:
		m.RCode = dnsmessage.RCodeServerFailure
	case len(a.Addrs) == 0 && !a.Exists:
		m.RCode = dnsmessage.RCodeNameError
	}
	for _, addr := range a.Addrs {
		if body := record(addr, q.Type); body != nil && m.RCode == 0 {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: a.TTL}, Body: body,
			})
		}
	}
	reply, err := m.Pack()
	if err != nil {
		return nil
	}
	return reply
}

// record is the address as an answer to a question of the type, or nil.
func record(addr netip.Addr, of dnsmessage.Type) dnsmessage.ResourceBody {
	switch {
	case addr.Is4() && of == dnsmessage.TypeA:
		return &dnsmessage.AResource{A: addr.As4()}
	case addr.Is6() && of == dnsmessage.TypeAAAA:
		return &dnsmessage.AAAAResource{AAAA: addr.As16()}
	}
	return nil
}
