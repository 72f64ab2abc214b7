package check

import (
	"maps"
	"slices"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/resource"
)

// duplicateCertificate finds Gateways of one workload that share a certificate.
func duplicateCertificate() *Check {
	return &Check{
		Name: "duplicate-certificate",
		Code: CodeDuplicateCertificate,
		Doc: "Two Gateways of the same workload use one certificate. Browsers reuse an HTTP/2 connection for every host of its certificate, " +
			"so that requests for one Gateway reach the other and get 404. Put the hosts into one Gateway, or use two certificates.",
		Run: func(p *Pass) {
			users := certificateUsers(p.Set)
			for _, r := range p.Set.Kind(resource.KindGateway) {
				seen := make(map[*resource.Resource]bool)
				for _, s := range r.Spec.(*networking.Gateway).Servers {
					other := users[certificateKey(s.GetTls())].other(r)
					if other == nil || seen[other] {
						continue
					}
					seen[other] = true
					p.ReportBeside(r, "metadata.name", diag.Related{Pos: other.Pos, Message: "the other Gateway"}, diag.Warning,
						"Gateway %s/%s of the same workload has the same certificate; clients that reuse HTTP/2 connections may get 404", other.Namespace, other.Name)
				}
			}
		},
	}
}

// certificateKey names a server's certificate; empty for none.
func certificateKey(tls *networking.ServerTLSSettings) string {
	switch {
	case tls.GetCredentialName() != "":
		return "credential " + tls.GetCredentialName()
	case tls.GetServerCertificate() != "" && tls.GetPrivateKey() != "":
		return "files " + tls.GetServerCertificate() + " " + tls.GetPrivateKey()
	}
	return ""
}

// users are the Gateways that use one certificate, by their selectors: of these
// there are few, of Gateways there may be many.
type users struct {
	selectors []map[string]string
	gateways  map[string][]*resource.Resource
}

func certificateUsers(set *resource.Set) map[string]*users {
	out := make(map[string]*users)
	for _, r := range set.Kind(resource.KindGateway) {
		gw := r.Spec.(*networking.Gateway)
		for _, s := range gw.Servers {
			key := certificateKey(s.GetTls())
			if key == "" {
				continue
			}
			if out[key] == nil {
				out[key] = &users{gateways: make(map[string][]*resource.Resource)}
			}
			out[key].add(r, gw.Selector)
		}
	}
	return out
}

func (u *users) add(r *resource.Resource, selector map[string]string) {
	key := selectorText(selector)
	of := u.gateways[key]
	if of == nil {
		u.selectors = append(u.selectors, selector)
	}
	if len(of) == 0 || of[len(of)-1] != r {
		u.gateways[key] = append(of, r)
	}
}

// other returns a Gateway beside r whose selector has all that r's has.
func (u *users) other(r *resource.Resource) *resource.Resource {
	if u == nil {
		return nil
	}
	mine := r.Spec.(*networking.Gateway).Selector
	for _, s := range u.selectors {
		if !hasLabels(s, mine) {
			continue
		}
		for _, g := range u.gateways[selectorText(s)] {
			if g != r {
				return g
			}
		}
	}
	return nil
}

// hasLabels reports whether labels has all of wanted.
func hasLabels(labels, wanted map[string]string) bool {
	for k, v := range wanted {
		if w, ok := labels[k]; !ok || v != w {
			return false
		}
	}
	return true
}

// selectorText is equal for equal selectors.
func selectorText(selector map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(selector)) {
		b.WriteString(k + "=" + selector[k] + ",")
	}
	return b.String()
}
