package translate

import "errors"

// Upstream gives the endpoints of a service by hand, as the flag --upstream
// does: on a laptop the services of the cluster run elsewhere or not at all.
type Upstream struct {
	// Host is the service: name, name.namespace, or a full name.
	Host string
	// Port is the service's port; 0 means every port.
	Port uint32
	// Address is where the service is: an IP address or a DNS name.
	Address string
	// AddressPort is the port at Address.
	AddressPort uint32
}

// ParseUpstream parses HOST[:PORT]=ADDR:PORT.
func ParseUpstream(string) (Upstream, error) { return Upstream{}, errors.New("not implemented") }
