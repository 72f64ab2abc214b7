package square

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"sigs.k8s.io/yaml"

	"golang.org/x/tools/txtar"

	"github.com/crossgate/crossgate/test/rawhttp"
)

// maxRounds bounds how long a difference is made smaller.
const maxRounds = 60

// shrink makes the probe smaller while differs still says true of it. differs
// gets all candidates of a round at once, because every round starts the data
// planes anew; it returns the index of the first that differs, or -1.
func shrink(p probe, differs func([]probe) (int, error)) (probe, error) {
	for range maxRounds {
		candidates := p.smaller()
		i, err := differs(candidates)
		if err != nil || i < 0 {
			return p, err
		}
		p = candidates[i]
	}
	return p, nil
}

// smaller returns the probes that are one step simpler, those that leave most
// out first.
func (p probe) smaller() (out []probe) {
	if p.Request.Raw != nil {
		return p.shorter()
	}
	edit := func(change func(*probe)) {
		s := *p.Site
		c := probe{&s, p.Request, p.Plan, p.Suffix}
		change(&c)
		out = append(out, c)
	}
	for l, policy := range p.Site.Policies {
		if policy != nil {
			edit(func(c *probe) { c.Site.Policies[l] = nil })
		}
	}
	if s := p.Site; s.Action != actCluster {
		edit(func(c *probe) { c.Site.Action, c.Site.Policies[levelCluster] = actCluster, nil })
	}
	if p.Site.Off || p.Site.Wrapped {
		edit(func(c *probe) { c.Site.Off, c.Site.Wrapped = false, false })
	}
	if p.Site.Method != "" {
		edit(func(c *probe) { c.Site.Method = "" })
	}
	if p.Plan.Status != 0 || p.Plan.Chunked || p.Plan.Sleep != 0 || p.Plan.Close != "" || p.Plan.FailFirst != 0 {
		edit(func(c *probe) { c.Plan = rawhttp.Plan{Fields: p.Plan.Fields} })
	}
	if p.Request.Body != nil {
		edit(func(c *probe) { c.Request.Body = nil })
	}
	if n := len(p.Request.Body); n > 1 {
		edit(func(c *probe) { c.Request.Body = p.Request.Body[:n/2] })
	}
	if p.Request.Target != "/" {
		edit(func(c *probe) { c.Request.Target = "/" })
	}
	for _, simpler := range simplerRoutes(p.Site.Routes) {
		edit(func(c *probe) { c.Site.Routes = simpler })
	}
	for _, simpler := range simplerHosts(p.Site.Host) {
		edit(func(c *probe) { c.Site.Host = simpler })
	}
	if p.Site.Host != nil && p.Site.Manager != "plain" {
		edit(func(c *probe) { c.Site.Manager = "plain" })
	}
	if p.Suffix != "" {
		edit(func(c *probe) { c.Suffix = "" })
	}
	for fewer := range without(p.Site.Added) {
		edit(func(c *probe) { c.Site.Added = fewer })
	}
	for fewer := range without(p.Plan.Fields) {
		edit(func(c *probe) { c.Plan.Fields = fewer })
	}
	for fewer := range without(p.Request.Fields) {
		edit(func(c *probe) { c.Request.Fields = fewer })
	}
	for l, policy := range p.Site.Policies {
		for _, simpler := range simplerPolicies(policy) {
			edit(func(c *probe) { c.Site.Policies[l] = simpler })
		}
	}
	return out
}

// simplerRoutes returns each route alone, the routes without one of them, and
// without one part of one of them, at any depth.
func simplerRoutes(routes []object) (out [][]object) {
	for _, r := range routes {
		if len(routes) > 1 {
			out = append(out, []object{{"route": r["route"]}}, []object{r})
		}
	}
	for i := range routes {
		if len(routes) > 2 {
			out = append(out, slices.Delete(slices.Clone(routes), i, i+1))
		}
	}
	for i, r := range routes {
		for _, s := range simplerValues(r) {
			c := slices.Clone(routes)
			c[i] = s.(object)
			out = append(out, c)
		}
	}
	return out
}

// simplerHosts returns copies of a virtual host that lack one part each and are still
// valid.
func simplerHosts(host object) (out []object) {
	if host == nil {
		return nil
	}
	for _, s := range simplerValues(host) {
		if validHost(s.(object)) {
			out = append(out, s.(object))
		}
	}
	return out
}

// simplerValues returns copies of a tree that lack one node each, the big ones
// first. Some are no valid routes: whoever tries them sees no difference.
func simplerValues(v any) (out []any) {
	switch v := v.(type) {
	case object:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			c := maps.Clone(v)
			delete(c, k)
			out = append(out, c)
		}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			for _, s := range simplerValues(v[k]) {
				c := maps.Clone(v)
				c[k] = s
				out = append(out, c)
			}
		}
	case []any:
		for i := range v {
			out = append(out, slices.Delete(slices.Clone(v), i, i+1))
		}
		for i := range v {
			for _, s := range simplerValues(v[i]) {
				c := slices.Clone(v)
				c[i] = s
				out = append(out, c)
			}
		}
	}
	return out
}

// without yields the empty list, and those that lack one of the fields.
func without(fields rawhttp.Fields) func(yield func(rawhttp.Fields) bool) {
	return func(yield func(rawhttp.Fields) bool) {
		if len(fields) > 1 && !yield(nil) {
			return
		}
		for i := range fields {
			if !yield(slices.Delete(slices.Clone(fields), i, i+1)) {
				return
			}
		}
	}
}

// simplerPolicies returns copies of the policy that lack one field or one
// matcher each.
func simplerPolicies(p *corsv3.CorsPolicy) (out []*corsv3.CorsPolicy) {
	if p == nil {
		return nil
	}
	p.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		c := proto.CloneOf(p)
		c.ProtoReflect().Clear(fd)
		out = append(out, c)
		return true
	})
	for i, m := range p.GetAllowOriginStringMatch() {
		c := proto.CloneOf(p)
		c.AllowOriginStringMatch = slices.Delete(c.AllowOriginStringMatch, i, i+1)
		out = append(out, c)
		if m.GetIgnoreCase() {
			c := proto.CloneOf(p)
			c.AllowOriginStringMatch[i].IgnoreCase = false
			out = append(out, c)
		}
	}
	return out
}

// script prints the probe as a request script.
func (p probe) script(why string, want []string) ([]byte, error) {
	files, where, err := p.config()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if p.Request.Raw != nil {
		fmt.Fprintln(&b, strings.ReplaceAll(p.quoted(), "{H}", where[p.Site].Host))
	} else {
		fmt.Fprintf(&b, "%s %s\nHost: %s\n", p.Request.Method, p.Request.Target, where[p.Site].Host+p.Suffix)
	}
	for _, f := range p.Request.Fields {
		fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
	}
	if p.Request.Body != nil {
		fmt.Fprintf(&b, "body: %q\n", p.Request.Body)
	}
	writePlan(&b, p.Plan)
	for _, l := range want {
		fmt.Fprintln(&b, l)
	}
	files = append(files, txtar.File{Name: requestsFile, Data: b.Bytes()})
	return txtar.Format(&txtar.Archive{Comment: []byte(why + "\n"), Files: files}), nil
}

// config returns the configuration of the probe's site as files of a script.
func (p probe) config() ([]txtar.File, map[*site]address, error) {
	if p.Site.Host != nil {
		return p.hostConfig()
	}
	if p.Site.Routes != nil {
		docs, where, err := virtualServices([]*site{p.Site})
		return []txtar.File{{Name: "services.yaml", Data: []byte(services)}, {Name: "site.yaml", Data: docs}}, where, err
	}
	const up, dead = 1, 2
	text, where, err := layout([]*site{p.Site}, up, dead)
	if err != nil {
		return nil, nil, err
	}
	return bootstrapFiles(text, where)
}

// hostConfig is config for a site with a host.
func (p probe) hostConfig() ([]txtar.File, map[*site]address, error) {
	const up, dead = 1, 2
	text, where, err := layoutHosts([]*site{p.Site}, up, dead)
	if err != nil {
		return nil, nil, err
	}
	return bootstrapFiles(text, where)
}

// bootstrapFiles are the file of a bootstrap for an upstream at port 1 and a closed
// port 2.
func bootstrapFiles(text []byte, where map[*site]address) ([]txtar.File, map[*site]address, error) {
	text, err := yaml.JSONToYAML(text)
	if err != nil {
		return nil, nil, err
	}
	text = bytes.ReplaceAll(text, []byte("port_value: 1\n"), []byte("port_value: $upstream\n"))
	text = bytes.ReplaceAll(text, []byte("port_value: 2\n"), []byte("port_value: $closed\n"))
	return []txtar.File{{Name: bootstrapFile, Data: text}}, where, nil
}

func writePlan(b *bytes.Buffer, p rawhttp.Plan) {
	if p.Status != 0 {
		fmt.Fprintf(b, "upstream: status %d\n", p.Status)
	}
	for _, f := range p.Fields {
		fmt.Fprintf(b, "upstream: header %s: %s\n", f.Name, f.Value)
	}
	if p.Chunked {
		fmt.Fprintln(b, "upstream: chunked")
	}
	if p.FailFirst > 0 && p.FailStatus > 0 {
		fmt.Fprintf(b, "upstream: fail %d %d\n", p.FailFirst, p.FailStatus)
	} else if p.FailFirst > 0 {
		fmt.Fprintf(b, "upstream: fail %d\n", p.FailFirst)
	}
	if p.Close != "" {
		fmt.Fprintf(b, "upstream: close %s\n", p.Close)
	}
	if p.Sleep != 0 {
		fmt.Fprintf(b, "upstream: sleep %v\n", p.Sleep)
	}
}
