package square

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
	"strconv"
	"sync"

	"sigs.k8s.io/yaml"
)

// placed is a bootstrap whose listeners have got free ports of the loopback.
type placed struct {
	text  []byte            // JSON
	addrs map[string]string // listener name → host:port
	first string            // the name of the first listener
	admin string            // host:port of the admin interface
}

// place moves the listeners of a bootstrap (JSON or YAML) and the admin interface
// to free ports.
func place(bootstrap []byte) (placed, error) {
	text, err := yaml.YAMLToJSON(bootstrap)
	if err != nil {
		return placed{}, fmt.Errorf("bootstrap: %w", err)
	}
	var doc map[string]any
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber() // 64-bit numbers must survive
	if err := dec.Decode(&doc); err != nil {
		return placed{}, fmt.Errorf("bootstrap: %w", err)
	}
	p := placed{addrs: map[string]string{}}
	static, _ := doc["static_resources"].(map[string]any)
	listeners, _ := static["listeners"].([]any)
	for i, l := range listeners {
		listener, _ := l.(map[string]any)
		name, _ := listener["name"].(string)
		if name == "" {
			return placed{}, fmt.Errorf("bootstrap: listener %d has no name", i)
		}
		port := freePort()
		listener["address"] = socketAddress(port)
		p.addrs[name] = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if i == 0 {
			p.first = name
		}
	}
	if len(p.addrs) == 0 {
		return placed{}, errors.New("bootstrap: no listener")
	}
	port := freePort()
	doc["admin"] = map[string]any{"address": socketAddress(port)}
	p.admin = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	p.text, err = json.MarshalIndent(doc, "", " ")
	return p, err
}

func socketAddress(port int) map[string]any {
	return map[string]any{"socket_address": map[string]any{"address": "127.0.0.1", "port_value": port}}
}

// ports hands out ports below the range that systems give to outgoing
// connections, so that no other connection takes one before the proxy binds it.
var ports = struct {
	sync.Mutex
	next int
}{next: 12000 + rand.IntN(15000)}

func freePort() int {
	ports.Lock()
	defer ports.Unlock()
	for {
		ports.next++
		if ports.next > 32000 {
			ports.next = 12000
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(ports.next)))
		if err == nil {
			_ = l.Close()
			return ports.next
		}
	}
}

var placeholder = regexp.MustCompile(`\$(closed|upstream(:[a-z0-9-]+)?)\b`)

// fill replaces the placeholders of a script's file: $closed by a port that
// nobody listens on, $upstream[:name] by what upstream returns for the name.
func fill(data []byte, upstream func(name string) (int, error)) ([]byte, error) {
	var failed error
	out := placeholder.ReplaceAllFunc(data, func(m []byte) []byte {
		if string(m) == "$closed" {
			return strconv.AppendInt(nil, int64(freePort()), 10)
		}
		_, name, _ := bytes.Cut(m, []byte(":"))
		port, err := upstream(string(name))
		failed = errors.Join(failed, err)
		return strconv.AppendInt(nil, int64(port), 10)
	})
	return out, failed
}
