package proxyconfig

import (
	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/crossgate/crossgate/internal/xds"
)

// Snapshot returns what the dump holds as a snapshot: without endpoints, and with secrets whose private keys are redacted.
func (d *Dump) Snapshot() (*xds.Snapshot, error) {
	s := &xds.Snapshot{}
	var err error
	if s.Listeners, err = d.Listeners(ListenerFilter{}); err != nil {
		return nil, err
	}
	if s.Routes, err = d.Routes(RouteFilter{}); err != nil {
		return nil, err
	}
	if s.Clusters, err = d.Clusters(ClusterFilter{}); err != nil {
		return nil, err
	}
	secrets := new(adminv3.SecretsConfigDump)
	if _, err = d.section(secrets); err != nil {
		return nil, err
	}
	var packed []*anypb.Any
	for _, x := range secrets.GetStaticSecrets() {
		packed = append(packed, x.GetSecret())
	}
	for _, x := range secrets.GetDynamicActiveSecrets() {
		packed = append(packed, x.GetSecret())
	}
	s.Secrets, err = unpack("secrets", packed, func() *tlsv3.Secret { return new(tlsv3.Secret) })
	return s, err
}
