package pipeline

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

const (
	kindGateway = "Gateway"
	kindSecret  = "Secret"

	// codeDevCertificate is the code of what there is to say about made
	// certificates.
	codeDevCertificate = "CG0401"
)

// wanted is a certificate that Gateways name and the input does not have.
type wanted struct {
	key   resource.Key
	hosts []string
	pos   diag.Pos
	by    *resource.Resource
	path  string
}

// addCertificates adds a Secret for every credentialName of a Gateway of this
// node that neither the input has nor names wrongly: a certificate that was
// given is never replaced, a broken one included.
func (b *Builder) addCertificates(set *resource.Set, bad map[resource.Key]bool) (*resource.Set, diag.List) {
	if b.opts.DevCertificates == nil {
		return set, nil
	}
	var diags diag.List
	var secrets []*resource.Resource
	for _, w := range b.wantedCertificates(set, bad) {
		leaf, skipped, err := b.opts.DevCertificates.Leaf(w.hosts)
		if err != nil {
			diags = append(diags, w.diagnostic(diag.Error, err.Error()))
			continue
		}
		if len(skipped) > 0 {
			diags = append(diags, w.diagnostic(diag.Warning, fmt.Sprintf(
				"no development certificate can name %s: it is good for %s", quoted(skipped), strings.Join(leaf.Hosts, ", "))))
		}
		secrets = append(secrets, w.secret(leaf.CertPEM, leaf.KeyPEM))
	}
	if len(secrets) == 0 {
		return set, diags
	}
	return set.With(secrets...), diags
}

func (b *Builder) wantedCertificates(set *resource.Set, bad map[resource.Key]bool) []*wanted {
	byKey := make(map[resource.Key]*wanted)
	var list []*wanted
	for _, r := range set.Kind(kindGateway) {
		gw, ok := r.Spec.(*networking.Gateway)
		if !ok || !selects(gw.GetSelector(), b.opts.Translate.Node.Labels) {
			continue
		}
		for i, s := range gw.GetServers() {
			name := s.GetTls().GetCredentialName()
			if s.GetTls().GetMode() != networking.ServerTLSSettings_SIMPLE || name == "" || strings.Contains(name, "://") {
				continue
			}
			key := resource.Key{Kind: kindSecret, Namespace: b.opts.Translate.Node.Namespace, Name: name}
			own := resource.Key{Kind: kindSecret, Namespace: r.Namespace, Name: name}
			if set.Get(key) != nil || set.Get(own) != nil || bad[key] || bad[own] {
				continue
			}
			w := byKey[key]
			if w == nil {
				path := fmt.Sprintf("spec.servers[%d].tls.credentialName", i)
				w = &wanted{key: key, pos: r.At(path), by: r, path: path}
				byKey[key] = w
				list = append(list, w)
			}
			w.hosts = append(w.hosts, serverHosts(s)...)
		}
	}
	return list
}

// selects reports whether a Gateway's selector picks a proxy with the labels;
// the empty selector picks every proxy.
func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return true
}

// serverHosts returns the hosts of a server without the namespaces that may
// stand before them.
func serverHosts(s *networking.Server) []string {
	hosts := make([]string, 0, len(s.GetHosts()))
	for _, h := range s.GetHosts() {
		if _, rest, ok := strings.Cut(h, "/"); ok {
			h = rest
		}
		hosts = append(hosts, h)
	}
	return hosts
}

func (w *wanted) diagnostic(s diag.Severity, message string) diag.Diagnostic {
	return diag.Diagnostic{Pos: w.pos, Severity: s, Code: codeDevCertificate, Object: w.by.Key.String(), Path: w.path, Message: message}
}

// secret wraps a certificate as the object that the input could have had.
func (w *wanted) secret(cert, key []byte) *resource.Resource {
	sum := sha256.Sum256(slices.Concat(cert, key))
	return &resource.Resource{
		Key:        w.key,
		APIVersion: "v1",
		Spec: &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: w.key.Name, Namespace: w.key.Namespace},
			Type:       corev1.SecretTypeTLS,
			Data:       map[string][]byte{corev1.TLSCertKey: cert, corev1.TLSPrivateKeyKey: key},
		},
		Hash: hex.EncodeToString(sum[:]),
		Pos:  w.pos,
		At:   func(string) diag.Pos { return w.pos },
	}
}

func quoted(hosts []string) string {
	q := slices.Clone(hosts)
	slices.SortFunc(q, cmp.Compare[string])
	q = slices.Compact(q)
	for i, h := range q {
		q[i] = fmt.Sprintf("%q", h)
	}
	return strings.Join(q, ", ")
}
