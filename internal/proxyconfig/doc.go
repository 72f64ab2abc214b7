// Package proxyconfig reads what a proxy says about its configuration, a
// config_dump or the endpoints of /clusters, and shapes it as istioctl
// proxy-config shows it: filtered, sorted, as tables and as lists of Envoy's
// messages. It reads Envoy's dumps as well as ours, from files and from a running
// instance. It knows neither flags nor terminals, and changes nothing.
package proxyconfig
