// Package envoyfilter applies the patches of EnvoyFilters to the snapshot of a
// gateway, in the order and with the merging of istiod (its packages
// pilot/pkg/networking/core/envoyfilter and pilot/pkg/proto/merge), quirks
// included. It knows protobuf messages and where they are; what a patched
// configuration means is the business of who runs it.
//
// A patch that cannot be decoded or applied is left out, with a diagnostic at
// its place, and takes no other patch down. Whether something that keeps
// requests out went missing with it is said by CodeUnenforced.
package envoyfilter
