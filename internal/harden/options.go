package harden

import (
	"github.com/crossgate/crossgate/internal/cors"
	"github.com/crossgate/crossgate/internal/xds"
)

// Options are the choices about a snapshot.
type Options struct {
	// Settings hold for routes whose object has none of its own.
	Settings cors.Settings
	// Objects are the settings of single objects, by what a route's metadata
	// (istio.config) names: "NAMESPACE/NAME" of a VirtualService.
	Objects map[string]cors.Settings
	// Candidate has policies that are tried beside those in force: the policy of
	// the route with the same match, in a virtual host of the same domain. Nil for
	// none.
	Candidate *xds.Snapshot
}
