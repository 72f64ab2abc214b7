package resource_test

import (
	"fmt"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/crossgate/crossgate/internal/resource"
)

func ExampleParse() {
	const text = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api}
spec:
  hosts: [api.example.com]
  http:
  - corsPolicy:
      allowOrigins: [{exact: https://app.example.com}]
    route: [{destination: {host: api}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: typo}
spec:
  hosts: [api.example.com]
  http:
  - corsPolicy: {allowCredential: true}
    route: [{destination: {host: api}}]
`
	rs, diags := resource.Parse("vs.yaml", []byte(text), resource.ParseOptions{DefaultNamespace: "shop"})
	for _, r := range rs {
		vs := r.Spec.(*networking.VirtualService)
		fmt.Println(r.Key, vs.Hosts, r.At("spec.http[0].corsPolicy.allowOrigins[0].exact"))
	}
	for _, d := range diags {
		fmt.Println(d)
	}
	// Output:
	// VirtualService shop/api [api.example.com] vs.yaml:8:30
	// vs.yaml:17:18: error: spec.http[0].corsPolicy: unknown field "allowCredential"; did you mean "allowCredentials"? [CG0002]
}
