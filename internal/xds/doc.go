// Package xds is the contract between the control plane and the data planes: a
// Snapshot of typed Envoy v3 resources. Everything that runs traffic (the
// embedded engine, an Envoy started from a bootstrap) is fed from it, and
// nothing else. The package also loads and writes Envoy bootstraps and makes
// Envoy's config_dump from a snapshot.
package xds
