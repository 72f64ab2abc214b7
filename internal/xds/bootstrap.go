package xds

// BootstrapOptions say how WriteBootstrap makes a snapshot runnable by a stock
// Envoy on this machine.
type BootstrapOptions struct {
	// Ports map the listeners' addresses.
	Ports Ports
	// Admin is the address and port of Envoy's admin interface; a port 0 lets
	// the system choose one.
	AdminHost string
	AdminPort uint32
	// NodeID and NodeCluster identify the proxy.
	NodeID, NodeCluster string
	// WriteFile stores a certificate or private key and returns the path that
	// the bootstrap refers to. The file of a private key must be readable by
	// its owner only.
	WriteFile func(name string, pem []byte, private bool) (path string, err error)
}

// WriteBootstrap returns a self-contained Envoy bootstrap with the content of
// the snapshot: static listeners with mapped addresses and inline routes,
// static clusters with inline endpoints, certificates in files. The JSON is
// indented and equal for equal snapshots.
func (s *Snapshot) WriteBootstrap(_ BootstrapOptions) ([]byte, error) { return nil, nil }
