package resource

import (
	"strings"

	networking "istio.io/api/networking/v1alpha3"
)

const unixPrefix = "unix://"

func validateGateway(v *validator) {
	gw := v.Spec.(*networking.Gateway)
	if !isLabel(v.Name) {
		v.errorf("metadata.name", "%q is not a gateway name: it must not have dots", v.Name)
	}
	if len(gw.Servers) == 0 {
		v.errorf("spec.servers", "a Gateway needs a server")
	}
	names := make(map[string]bool)
	for i, s := range gw.Servers {
		path := at("spec.servers", i)
		v.server(s, path)
		if name := s.GetPort().GetName(); name != "" {
			if names[name] {
				v.errorf(path+".port.name", "the port name %q is used by another server", name)
			}
			names[name] = true
		}
	}
}

func (v *validator) server(s *networking.Server, path string) {
	if len(s.Hosts) == 0 {
		v.errorf(path+".hosts", "a server needs a host")
	}
	for i, h := range s.Hosts {
		v.gatewayHost(h, at(path+".hosts", i))
	}
	v.serverBind(s, path)
	v.tlsOptions(s.Tls, path+".tls")
	if s.Port == nil {
		v.errorf(path+".port", "a server needs a port")
		return
	}
	protocol := protocolOf(s.Port.Protocol)
	if protocol == protocolUnknown {
		v.errorf(path+".port.protocol", "%q is none of HTTP, HTTPS, HTTP2, GRPC, GRPC-WEB, TLS, TCP, MONGO, REDIS, MYSQL", s.Port.Protocol)
	}
	if s.Port.Name == "" {
		v.errorf(path+".port.name", "a port needs a name")
	}
	if s.Port.TargetPort > 0 { //nolint:staticcheck // deprecated, and refused for it
		v.errorf(path+".port.targetPort", "targetPort has no meaning in a Gateway")
	}
	v.serverTLS(s, protocol, path)
}

func (v *validator) serverBind(s *networking.Server, path string) {
	socket, unix := strings.CutPrefix(s.Bind, unixPrefix)
	number := s.GetPort().GetNumber()
	switch {
	case unix && socketPath(socket) != nil:
		v.check(path+".bind", socketPath(socket))
	case unix && number != 0:
		v.errorf(path+".port.number", "the port of a unix socket must be 0")
	case !unix && s.Bind != "" && !isIP(s.Bind):
		v.errorf(path+".bind", "%q is not an IP address", s.Bind)
	}
	if s.Port != nil && !unix {
		v.check(path+".port.number", port(number))
	}
}

// serverTLS checks that the protocol and the TLS settings fit.
func (v *validator) serverTLS(s *networking.Server, protocol protocolKind, path string) {
	switch {
	case protocol == protocolTLS && s.Tls == nil:
		v.errorf(path+".tls", "%s needs tls", s.Port.Protocol)
	case s.Tls == nil || protocol == protocolTLS || protocol == protocolUnknown:
	case protocol != protocolHTTP:
		v.errorf(path+".tls", "%s cannot have tls", s.Port.Protocol)
	case !passthrough(s.Tls) || s.Tls.CaCertificates != "" || s.Tls.PrivateKey != "" || s.Tls.ServerCertificate != "":
		v.errorf(path+".tls", "%s cannot have tls, but for httpsRedirect", s.Port.Protocol)
	}
}

func passthrough(tls *networking.ServerTLSSettings) bool {
	return tls.Mode == networking.ServerTLSSettings_PASSTHROUGH || tls.Mode == networking.ServerTLSSettings_AUTO_PASSTHROUGH
}

// gatewayHost checks a host of a server: NAME or NAMESPACE/NAME, where the
// namespace may also be "." or "*".
func (v *validator) gatewayHost(h, path string) {
	host := h
	if namespace, name, ok := strings.Cut(h, "/"); ok {
		host = name
		if namespace != "*" && namespace != "." && !isLabel(namespace) {
			v.errorf(path, `%q: %q is not a namespace, "." or "*"`, h, namespace)
			return
		}
	}
	err := wildcardDomain(host)
	switch {
	case err != nil && !isIP(host):
		v.check(path, err)
	case host != "*" && !strings.Contains(host, "."): // IPv6 addresses too
		v.errorf(path, "%q is a short name; a Gateway needs a full host name", host)
	case strings.Contains(host, "*") && host != "*" && !strings.HasPrefix(host, "*."):
		v.errorf(path, "%q: a wildcard stands for whole labels only, as in *.example.com", host)
	}
}
