package xds

import (
	"net"
	"strconv"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
)

// SocketAddress is the message for a host, without brackets, and a TCP port.
func SocketAddress(host string, port uint32) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: host, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
	}}}
}

// HostPort is a host and a port as text: 192.0.2.1:80, [2001:db8::1]:80.
func HostPort(host string, port uint32) string {
	return net.JoinHostPort(host, strconv.FormatUint(uint64(port), 10))
}

// AddressText is a socket address as HostPort writes it.
func AddressText(a *corev3.SocketAddress) string { return HostPort(a.GetAddress(), a.GetPortValue()) }
