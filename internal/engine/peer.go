package engine

import (
	"crypto/tls"
	"crypto/x509"
	"time"
)

// peer is what a stream knows of its client's connection whatever protocol is
// spoken on it: who is at the other end, and whether by TLS. It is written
// before the first request and does not change; with HTTP/2, where streams of
// one connection run side by side, they share it.
type peer struct {
	engine *Engine
	id     uint64 // %CONNECTION_ID%
	tls    *tls.ConnectionState
	own    *x509.Certificate // that the proxy has shown by TLS

	handshaken time.Time      // when TLS was agreed upon
	roots      *x509.CertPool // that the client's certificate was checked against; nil: none

	remoteIP  []byte // of the peer
	forwardIP []byte // what x-forwarded-for says of it
	remote    []byte // ip:port
	local     []byte
}
