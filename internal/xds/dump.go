package xds

import "time"

// DumpOptions are the query parameters of Envoy's /config_dump.
type DumpOptions struct {
	// Resource selects one repeated field of the dump, such as
	// dynamic_route_configs; its elements then become the configs.
	Resource string
	// Mask is a comma-separated field mask of top-level fields for every
	// section or, with Resource, for its elements.
	Mask string
	// Endpoints adds the section of endpoints (include_eds).
	Endpoints bool
	// Updated is reported as the time of the last update.
	Updated time.Time
}

// ConfigDump returns the snapshot in the JSON of Envoy's /config_dump, with one
// space of indent and private keys redacted.
func (s *Snapshot) ConfigDump(_ DumpOptions) ([]byte, error) { return nil, nil }

// Render returns the snapshot's resources as readable JSON: listeners, routes,
// clusters, endpoints and secrets (private keys redacted). Equal snapshots give
// equal bytes.
func (s *Snapshot) Render() ([]byte, error) { return nil, nil }
