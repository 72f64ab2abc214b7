// Package resource turns the bytes a user wrote (YAML, JSON, many documents,
// kind List, what kubectl prints) into typed Istio and Kubernetes objects that
// know the position of each of their fields, and holds them in immutable sets.
//
// A document goes through three forms: nodes (values typed as kubectl types them,
// aliases resolved, each with its place), a check of the nodes against the schema
// of the kind, and the object, which must also pass what istiod's validation
// refuses. What fails is reported at its place and takes its object only.
//
// What needs more than one object (references, what is enforced) is found by
// package check; what an object means for traffic is package translate's.
package resource
