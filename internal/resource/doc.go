// Package resource turns the bytes a user wrote (YAML, JSON, many documents,
// kind List, what kubectl prints) into typed Istio and Kubernetes objects that
// know the position of each of their fields, and holds them in immutable sets.
package resource
