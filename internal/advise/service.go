package advise

import (
	"cmp"

	"github.com/crossgate/crossgate/internal/engine"
	"github.com/crossgate/crossgate/internal/fetch"
	"github.com/crossgate/crossgate/internal/xds"
)

// Service is what the service of a request has to speak, and what becomes of the request if it does not; or why none is found.
type Service struct {
	// Protocol is what the gateway begins with, without asking: "HTTP/2". Empty: the gateway knows no address of the service.
	Protocol string `json:"protocol,omitempty"`
	// Position is where that is asked for; Setting is what stands there, empty if it is the port of the service.
	Position string `json:"position,omitempty"`
	Setting  string `json:"setting,omitempty"`
	// HTTP1 is how the same request ends where the service speaks HTTP/1.1 alone; nil where that could not be tried.
	HTTP1 *Ending `json:"http1,omitempty"`
	// ProtocolErrors is how many connections of the running instance ended because the service does not speak it.
	ProtocolErrors uint64 `json:"protocolErrors,omitempty"`
}

// Ending is the end of a request as the access log has it.
type Ending struct {
	Status  int    `json:"status"`
	Details string `json:"details"`
	Flags   string `json:"flags"`
}

// The settings of DestinationRules that make a cluster speak HTTP/2, and have no address at a gateway.
const (
	upgrade     = "h2UpgradePolicy: UPGRADE"
	passthrough = "simple: PASSTHROUGH"
)

// services tells of the services that the requests of the hops do not reach, or reach in HTTP/2. The one behind our gateway speaks both protocols, so
// the requests are sent once more with one that does not.
func (in Input) services(hops []Hop, requests []*fetch.Request) (err error) {
	var old *gateway
	for i := range hops {
		t := hops[i].trace
		if t == nil || t.Local || !t.HTTP2 {
			hops[i].Service = in.withoutAddress(t)
			continue
		}
		if old == nil {
			if old, _, err = newGateway(in.Snapshot, in.Ports, true); err != nil {
				return err
			}
		}
		if hops[i].Service, err = in.service(t, old, requests[i]); err != nil {
			break
		}
	}
	if old == nil {
		return err
	}
	return cmp.Or(err, old.close())
}

// withoutAddress tells of a request that has nowhere to go, for its service is where the client meant to connect to; nil of others.
func (in Input) withoutAddress(t *engine.Trace) *Service {
	if t == nil || t.Details != "no_healthy_upstream" {
		return nil
	}
	if at := in.position(xds.ClusterBalanceKey(t.Cluster)); at != "" {
		return &Service{Position: at, Setting: passthrough}
	}
	return nil
}

func (in Input) service(t *engine.Trace, old *gateway, r *fetch.Request) (*Service, error) {
	out := &Service{Protocol: "HTTP/2", Setting: upgrade, HTTP1: ending(old, r, t.Cluster)}
	if out.Position = in.position(xds.ClusterHTTP2Key(t.Cluster)); out.Position == "" {
		out.Position, out.Setting = in.position(xds.ClusterKey(t.Cluster)), ""
	}
	if in.ProtocolErrors == nil {
		return out, nil
	}
	var err error
	out.ProtocolErrors, err = in.ProtocolErrors(in.statName(t.Cluster))
	return out, err
}

// tries is how often a request is sent that may take one of several clusters.
const tries = 16

// ending is how a request to the cluster ends at the gateway, or nil if it takes other clusters there.
func ending(g *gateway, r *fetch.Request, cluster string) *Ending {
	for range tries {
		_, t, err := g.ask(r)
		if err != nil {
			return nil
		}
		if t.Cluster == cluster {
			return &Ending{Status: t.Status, Details: t.Details, Flags: t.Flags}
		}
	}
	return nil
}

// statName is the name of a cluster in statistics.
func (in Input) statName(cluster string) string {
	for _, c := range in.Snapshot.Clusters {
		if c.GetName() == cluster {
			return cmp.Or(c.GetAltStatName(), cluster)
		}
	}
	return cluster
}
