package resource

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/crossgate/crossgate/internal/diag"
)

// ParseFile reads one file's bytes. It never fails as a whole: what is wrong with
// one object is said in Diags and leaves the others alone.
func ParseFile(path string, data []byte, o ParseOptions) *File {
	p := &parser{file: &File{Path: path}, namespace: o.DefaultNamespace}
	if p.namespace == "" {
		p.namespace = "default"
	}
	if len(data) > maxFileBytes {
		p.broken(&problem{at: place{1, 1}, code: CodeLimit, message: fmt.Sprintf("the file has %d bytes; at most %d are read", len(data), maxFileBytes)})
		p.file.MayGuard = namesGuards(data)
		return p.file
	}
	defer func() { p.file.Diags.Sort() }()
	docs := split(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	if len(docs) > maxDocuments {
		p.broken(&problem{at: place{docs[maxDocuments].line + 1, 1}, code: CodeLimit, message: fmt.Sprintf("the file has more than %d documents; this and the following are not read", maxDocuments)})
		docs = docs[:maxDocuments]
	}
	for _, d := range docs {
		root, err := d.parse()
		if err != nil {
			p.broken(asProblem(err, place{d.line + 1, 1}))
			continue
		}
		p.document(root)
	}
	p.file.MayGuard = (p.file.Broken || len(p.file.Bad) > 0) && namesGuards(data)
	return p.file
}

// namesGuards looks for the API groups and the kind that may keep requests out, in
// a text that may be anything.
func namesGuards(data []byte) bool {
	for _, name := range []string{"security.istio.io", "extensions.istio.io", "EnvoyFilter"} {
		if bytes.Contains(data, []byte(name)) {
			return true
		}
	}
	return false
}

// parser collects the objects of one file.
type parser struct {
	file      *File
	namespace string
}

// broken reports a part of the file that cannot be told apart into objects.
func (p *parser) broken(pr *problem) {
	o := &object{file: p.file.Path}
	o.add(pr.at, pr.code, "", pr.message, pr.related)
	p.file.Diags = append(p.file.Diags, o.diags...)
	p.file.Broken = true
}

func (p *parser) document(root *node) {
	switch {
	case root.kind == nullNode:
	case root.kind != mapNode:
		p.broken(&problem{at: root.at, code: CodeIdentity, message: "a document must be a mapping with apiVersion, kind and metadata, not " + root.describe()})
	case isList(root):
		p.list(root)
	default:
		p.object(root)
	}
}

// isList recognises what kubectl prints for several objects: kind List, or a
// typed list such as VirtualServiceList.
func isList(root *node) bool {
	items := root.get("items")
	return items != nil && items.kind == listNode && strings.HasSuffix(root.str("kind"), "List")
}

func (p *parser) list(root *node) {
	for _, item := range root.get("items").items {
		p.document(item)
	}
}

func (p *parser) object(root *node) {
	o := &object{file: p.file.Path, root: root}
	apiVersion, ok := o.identify(p.namespace)
	if !ok {
		p.file.Diags = append(p.file.Diags, o.diags...)
		p.file.Broken = true
		return
	}
	group, version := groupVersion(apiVersion)
	s := schemaOf(root.str("kind"), group)
	if s != nil && !slices.Contains(s.versions, version) {
		o.diags = append(o.diags, diag.Diagnostic{
			Pos: o.pos(root.get("apiVersion").at), Severity: diag.Warning, Code: CodeIdentity, Object: o.key.String(), Path: "apiVersion",
			Message: fmt.Sprintf("%s has no version %q, so the object has no effect; known are %s", o.key.Kind, version, enumerate(s.versions)),
		})
		// Not the bare kind: what has it is decoded.
		o.key.Kind = root.str("kind") + "." + version + "." + group
		s = nil
	}
	var r *Resource
	if s == nil || o.checkNames() {
		r = o.decode(apiVersion, s)
	}
	if r != nil {
		p.file.Resources = append(p.file.Resources, r)
	} else {
		p.file.Bad = append(p.file.Bad, o.key)
	}
	p.file.Diags = append(p.file.Diags, o.diags...)
}

// identify reads which object this is.
func (o *object) identify(defaultNamespace string) (apiVersion string, ok bool) {
	apiVersion = o.identity(o.root, "", "apiVersion")
	kind := o.identity(o.root, "", "kind")
	meta := o.root.get("metadata")
	if meta == nil || meta.kind != mapNode {
		o.errorf(o.root.at, CodeIdentity, "metadata", "every object needs metadata with a name")
		return "", false
	}
	name := o.identity(meta, "metadata", "name")
	namespace := defaultNamespace
	if n := meta.get("namespace"); n != nil && n.kind != nullNode && n.text != "" {
		if !o.want(n, stringNode, "metadata.namespace") {
			return "", false
		}
		namespace = n.text
	}
	if o.diags.HasErrors() {
		return "", false
	}
	group, _ := groupVersion(apiVersion)
	kind = keyKind(kind, group)
	if clusterScoped(kind) {
		namespace = ""
	}
	o.key = Key{Kind: kind, Namespace: namespace, Name: name}
	return apiVersion, true
}

// identity reads a string that every object must have.
func (o *object) identity(n *node, path, name string) string {
	v := n.get(name)
	path = join(path, name)
	switch {
	case v == nil || v.kind == nullNode || v.kind == stringNode && v.text == "":
		o.errorf(n.at, CodeIdentity, path, "every object needs %s", path)
		return ""
	case v.kind != stringNode:
		o.want(v, stringNode, path)
		return ""
	}
	return v.text
}

var (
	subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	dnsLabel  = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
)

// checkNames holds names to Kubernetes' rules, which make them safe inside the
// names of xDS resources.
func (o *object) checkNames() bool {
	meta := o.root.get("metadata")
	if len(o.key.Name) > 253 || !subdomain.MatchString(o.key.Name) {
		o.errorf(meta.get("name").at, CodeIdentity, "metadata.name", "%s is not a DNS name of lower-case letters, digits, '-' and '.'", meta.get("name").describe())
	}
	if len(o.key.Namespace) > 63 || !dnsLabel.MatchString(o.key.Namespace) {
		n := meta.get("namespace")
		if n == nil {
			n = meta
		}
		o.errorf(n.at, CodeIdentity, "metadata.namespace", "%q is not a DNS label of lower-case letters, digits and '-'", clip(o.key.Namespace))
	}
	return !o.diags.HasErrors()
}
