package proxyconfig

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Limits of what is read from an instance.
const (
	maxAnswer  = 256 << 20
	askTimeout = 60 * time.Second
)

// NoInstanceError says that nothing answers at an address.
type NoInstanceError struct {
	Address string
	Err     error
}

func (e *NoInstanceError) Error() string {
	return fmt.Sprintf("no instance answers on %s (is it running? --proxy-admin-port and --port-offset choose another one): %v", e.Address, e.Err)
}

// Unwrap returns why.
func (e *NoInstanceError) Unwrap() error { return e.Err }

// Instance is the admin interface of a proxy that runs on this machine.
type Instance struct {
	// Port of the admin interface.
	Port int
}

// get returns the answer to a path; ok is false where the instance does not have
// it.
func (in Instance) get(ctx context.Context, path string) (body []byte, ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	address := adminAddress(in.Port)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return nil, false, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, false, &NoInstanceError{Address: address, Err: errors.Unwrap(err)}
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return nil, false, nil
	}
	if resp.StatusCode != http.StatusOK {
		return nil, false, fmt.Errorf("%s%s: %s", address, path, resp.Status)
	}
	if body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1)); err != nil {
		return nil, false, fmt.Errorf("%s%s: %w", address, path, err)
	}
	if len(body) > maxAnswer {
		return nil, false, fmt.Errorf("%s%s: the answer is larger than %d bytes", address, path, maxAnswer)
	}
	return body, true, nil
}

// ConfigDump returns the whole dump of the instance, with its endpoints.
func (in Instance) ConfigDump(ctx context.Context) ([]byte, error) {
	body, ok, err := in.get(ctx, "/config_dump?include_eds")
	if err == nil && !ok {
		err = fmt.Errorf("%s is no admin interface: it has no /config_dump", adminAddress(in.Port))
	}
	return body, err
}

// Clusters returns what the instance tells of its endpoints, or nil if it has no
// /clusters in JSON.
func (in Instance) Clusters(ctx context.Context) ([]byte, error) {
	body, ok, err := in.get(ctx, "/clusters?format=json")
	if err != nil || !ok || !json.Valid(body) {
		return nil, err
	}
	return body, nil
}

// Positions returns where the resources of the instance were written, by the
// keys of xds.Snapshot.Origins. A proxy that does not know it has none.
func (in Instance) Positions(ctx context.Context) (map[string]string, error) {
	body, ok, err := in.get(ctx, "/origins")
	if err != nil || !ok {
		return nil, err
	}
	var out map[string]string
	if json.Unmarshal(body, &out) != nil {
		return nil, nil
	}
	return out, nil
}

// ProtocolErrors returns how many connections to the services of a cluster ended
// because those did not speak its protocol (upstream_cx_protocol_error). The name is
// that of the cluster in statistics.
func (in Instance) ProtocolErrors(ctx context.Context, cluster string) (uint64, error) {
	name := "cluster." + cluster + ".upstream_cx_protocol_error"
	body, ok, err := in.get(ctx, "/stats?format=json&filter="+url.QueryEscape("^"+regexp.QuoteMeta(name)+"$"))
	if err != nil || !ok {
		return 0, err
	}
	var out struct {
		Stats []struct {
			Name  string
			Value uint64
		}
	}
	if json.Unmarshal(body, &out) != nil {
		return 0, nil
	}
	for _, s := range out.Stats {
		if s.Name == name {
			return s.Value, nil
		}
	}
	return 0, nil
}

// Diagnostics returns the findings of the instance about its configuration, as
// analyze prints them in JSON, or nil if it has none to tell: it is another proxy.
func (in Instance) Diagnostics(ctx context.Context) ([]byte, error) {
	body, ok, err := in.get(ctx, "/crossgate/diagnostics")
	if err != nil || !ok {
		return nil, err
	}
	return body, nil
}

// Name is how people name a proxy: a workload (deploy/NAME) or one of its pods.
type Name struct {
	Kind      string // "" for a pod
	Workload  string
	Namespace string // "" for any
}

// workloads are the kinds that istioctl takes before a slash, with their short
// forms.
var workloads = []string{
	"deploy", "deployment", "deployments", "deployment.apps", "pod", "pods", "po", "rs", "replicaset", "replicasets",
	"sts", "statefulset", "statefulsets", "ds", "daemonset", "daemonsets", "svc", "service", "services", "job", "jobs",
}

// ParseName reads [KIND/]NAME[.NAMESPACE]. It reports false for what is none,
// such as the path of a file.
func ParseName(s, namespace string) (Name, bool) {
	kind, name, ok := strings.Cut(s, "/")
	if !ok {
		kind, name = "", s
	}
	name, suffix, _ := strings.Cut(name, ".")
	n := Name{Kind: kind, Workload: name, Namespace: cmp.Or(suffix, namespace)}
	if name == "" || strings.ContainsAny(name+suffix, "/\\") || ok && !slices.Contains(workloads, kind) {
		return Name{}, false
	}
	return n, true
}

func (n Name) String() string {
	s := n.Workload
	if n.Kind != "" {
		s = n.Kind + "/" + s
	}
	if n.Namespace != "" {
		s += " in namespace " + n.Namespace
	}
	return s
}

// Check returns an error if the dump is one of another proxy.
func (n Name) Check(d *Dump) error {
	bootstrap, err := d.Bootstrap()
	if err != nil {
		return err
	}
	node := bootstrap.GetBootstrap().GetNode()
	meta := node.GetMetadata().GetFields()
	// Istio's ids are TYPE~ADDRESS~POD.NAMESPACE~DOMAIN, ours are the third part.
	id := node.GetId()
	if parts := strings.Split(id, "~"); len(parts) == 4 {
		id = parts[2]
	}
	pod, namespace, _ := strings.Cut(id, ".")
	pod = cmp.Or(meta["NAME"].GetStringValue(), pod)
	namespace = cmp.Or(meta["NAMESPACE"].GetStringValue(), namespace)
	workload := cmp.Or(meta["WORKLOAD_NAME"].GetStringValue(), pod)
	same := n.Workload == workload || n.Workload == pod
	if n.Kind == "" || strings.HasPrefix(n.Kind, "po") {
		// One process stands for every pod of its workload.
		same = same || strings.HasPrefix(n.Workload, workload+"-")
	}
	if workload == "" || same && (n.Namespace == "" || namespace == "" || n.Namespace == namespace) {
		return nil
	}
	return fmt.Errorf("%s is not what runs here: the instance is %s in namespace %s (leave the name out to ask it)", n, workload, namespace)
}
