package xds

import "testing"

func TestClusterName(t *testing.T) {
	for _, tt := range []struct {
		port         uint32
		subset, host string
		want         string
	}{
		{8080, "", "api.production.svc.cluster.local", "outbound|8080||api.production.svc.cluster.local"},
		{80, "v1", "api.example.com", "outbound|80|v1|api.example.com"},
	} {
		name := ClusterName(tt.port, tt.subset, tt.host)
		if name != tt.want {
			t.Errorf("ClusterName(%d, %q, %q) = %q, want %q", tt.port, tt.subset, tt.host, name, tt.want)
		}
		port, subset, host, ok := ParseClusterName(name)
		if !ok || port != tt.port || subset != tt.subset || host != tt.host {
			t.Errorf("ParseClusterName(%q) = %d, %q, %q, %v", name, port, subset, host, ok)
		}
	}
	for _, foreign := range []string{"", "up", "outbound|80|host", "outbound|x||host", "outbound|99999||host", "inbound|80||", "outbound|80||a|b"} {
		if _, _, _, ok := ParseClusterName(foreign); ok {
			t.Errorf("ParseClusterName(%q) takes a foreign name", foreign)
		}
	}
}
