package resource

import (
	"errors"
	"fmt"

	networking "istio.io/api/networking/v1alpha3"
)

// corsPolicy checks what istiod does: methods by name and case, header names,
// origins that are not empty. A maxAge of 0 is ours: Istio refuses it.
func (v *validator) corsPolicy(p *networking.CorsPolicy, path string) {
	if p == nil {
		return
	}
	for i, o := range p.AllowOrigins {
		v.origin(o, at(path+".allowOrigins", i))
	}
	for i, m := range p.AllowMethods {
		v.check(at(path+".allowMethods", i), method(m))
	}
	for i, h := range p.AllowHeaders {
		v.check(at(path+".allowHeaders", i), corsHeader(h))
	}
	for i, h := range p.ExposeHeaders {
		v.check(at(path+".exposeHeaders", i), corsHeader(h))
	}
	if p.MaxAge != nil && p.MaxAge.AsDuration() != 0 {
		err := validDuration(p.MaxAge)
		if err == nil && p.MaxAge.Nanos != 0 {
			err = errors.New("maxAge is exact to seconds only")
		}
		v.check(path+".maxAge", err)
	}
}

func (v *validator) origin(o *networking.StringMatch, path string) {
	switch m := o.MatchType.(type) {
	case nil:
		v.errorf(path, "an origin needs one of exact, prefix or regex")
	case *networking.StringMatch_Exact:
		if m.Exact == "" {
			v.errorf(path+".exact", "the origin is empty")
		}
	case *networking.StringMatch_Prefix:
		if m.Prefix == "" {
			v.errorf(path+".prefix", "the origin prefix is empty")
		}
	case *networking.StringMatch_Regex:
		v.regex(m.Regex, path+".regex")
	}
}

// method accepts the methods that Go's net/http names, in upper case, as istiod
// does.
func method(m string) error {
	known := []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"}
	for _, k := range known {
		if m == k {
			return nil
		}
	}
	return fmt.Errorf("%q is none of %s%s", clip(m), enumerate(known), didYouMean(m, known))
}

func corsHeader(name string) error {
	if name == "*" {
		return nil
	}
	return validHeaderName(name)
}
