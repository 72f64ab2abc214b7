package proxyconfig

import (
	"fmt"
	"strings"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
)

// Bootstrap returns the section of the bootstrap.
func (d *Dump) Bootstrap() (*adminv3.BootstrapConfigDump, error) {
	dump := new(adminv3.BootstrapConfigDump)
	return dump, d.require(dump)
}

// BootstrapTable shows the versions that a bootstrap tells: a table without
// columns.
func BootstrapTable(dump *adminv3.BootstrapConfigDump) Table {
	t := Table{Gap: narrowGap}
	node := dump.GetBootstrap().GetNode()
	meta := node.GetMetadata().GetFields()
	if v := meta["ISTIO_VERSION"].GetStringValue(); v != "" {
		t.add("Istio Version:", v)
	}
	if v := meta["ISTIO_PROXY_SHA"].GetStringValue(); v != "" {
		if parts := strings.Split(v, ":"); len(parts) > 1 {
			v = parts[1]
		}
		t.add("Istio Proxy Version:", v)
	}
	build := node.GetUserAgentBuildVersion()
	version := fmt.Sprintf("%d.%d.%d", build.GetVersion().GetMajorNumber(), build.GetVersion().GetMinorNumber(), build.GetVersion().GetPatch())
	for _, part := range []struct{ key, before string }{
		{"build.label", "-"}, {"revision.status", "/"}, {"build.type", "/"}, {"ssl.version", "/"},
	} {
		if v, ok := build.GetMetadata().GetFields()[part.key]; ok {
			version += part.before + v.GetStringValue()
		}
	}
	t.add("Envoy Version:", version)
	return t
}
